package io.hubgate;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import java.io.IOException;

/** Answers webhooks in the HTTP server of the JDK. */
public final class WebhookHandler implements HttpHandler {
    private final Webhook webhook;

    public WebhookHandler(Webhook webhook) {
        this.webhook = webhook;
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            byte[] body = exchange.getRequestBody().readNBytes(Webhook.MAX_BODY + 1);
            Webhook.Answer answer = body.length > Webhook.MAX_BODY ? Webhook.text(413, "the body is too large")
                : webhook.answer(exchange.getRequestMethod(), exchange.getRequestURI().toString(), name -> Webhook.utf8(exchange.getRequestHeaders().getFirst(name)), body);
            exchange.getResponseHeaders().set("Content-Type", answer.contentType());
            exchange.sendResponseHeaders(answer.status(), answer.body().length == 0 ? -1 : answer.body().length);
            exchange.getResponseBody().write(answer.body());
        }
    }
}

package io.hubgate;

import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;

/** Answers webhooks in a servlet container. */
public class WebhookServlet extends HttpServlet {
    private static final long serialVersionUID = 1;
    private final transient Webhook webhook;

    public WebhookServlet(Webhook webhook) {
        this.webhook = webhook;
    }

    @Override
    protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
        byte[] body = request.getInputStream().readNBytes(Webhook.MAX_BODY + 1);
        String query = request.getQueryString();
        Webhook.Answer answer = body.length > Webhook.MAX_BODY ? Webhook.text(413, "the body is too large")
            : webhook.answer(request.getMethod(), request.getRequestURI() + (query == null ? "" : "?" + query), name -> Webhook.utf8(request.getHeader(name)), body);
        response.setStatus(answer.status());
        response.setContentType(answer.contentType());
        response.setContentLength(answer.body().length);
        response.getOutputStream().write(answer.body());
    }
}

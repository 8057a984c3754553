import com.sun.net.httpserver.HttpServer;
import io.hubgate.Hub;
import io.hubgate.Webhook;
import io.hubgate.WebhookHandler;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;

public class App {
    public static void main(String[] args) throws Exception {
        Hub hub = new Hub("chat", System.getenv("HUBGATE_CONNECTION_STRING"));
        HttpServer server = HttpServer.create(new InetSocketAddress("localhost", Integer.parseInt(System.getenv("PORT"))), 0);

        server.createContext("/hook", new WebhookHandler(new Webhook(hub.keys(), event -> {
            if (!event.name().equals("say")) {
                return null;
            }
            hub.sendToAll("said", event.userId(), event.arguments().get(0));
            return "sent";
        })));

        server.createContext("/chat/negotiate", exchange -> {
            String user = exchange.getRequestURI().getRawQuery().replaceAll(".*user=([^&]*).*", "$1"); // whoever is logged in
            byte[] answer = hub.negotiate(URLDecoder.decode(user, StandardCharsets.UTF_8)).toJson().getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
    }
}

package io.hubgate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class VectorsTest {
    private static final String KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";

    private static JsonElement read(String path) throws IOException {
        return JsonParser.parseString(Files.readString(Path.of(path)));
    }

    private static JsonArray vectors(String name) throws IOException {
        return read("../vectors/vectors.json").getAsJsonObject().getAsJsonArray(name);
    }

    private static String text(JsonObject v, String name) {
        return v.has(name) ? v.get(name).getAsString() : "";
    }

    private static JsonObject claims(String token, String key) {
        String[] parts = token.split("\\.");
        assertEquals(Base64.getUrlEncoder().withoutPadding().encodeToString(Texts.hmac(key, Texts.bytes(parts[0] + "." + parts[1]))), parts[2]);
        return JsonParser.parseString(new String(Base64.getUrlDecoder().decode(parts[1]), StandardCharsets.UTF_8)).getAsJsonObject();
    }

    @Test
    void connectionStrings() throws IOException {
        for (JsonElement one : vectors("connectionStrings")) {
            JsonObject v = one.getAsJsonObject();
            if (v.has("error")) {
                assertThrows(IllegalArgumentException.class, () -> ConnectionString.parse(text(v, "text")), text(v, "text"));
            } else {
                ConnectionString got = ConnectionString.parse(text(v, "text"));
                assertEquals(new ConnectionString(text(v, "endpoint"), text(v, "serverEndpoint"), text(v, "clientEndpoint"), text(v, "key")), got);
                assertFalse(got.toString().contains("AccessKey"));
            }
        }
        assertThrows(IllegalArgumentException.class, () -> new Hub("", "Endpoint=http://h;AccessKey=k"));
    }

    @Test
    void negotiate() throws IOException {
        for (JsonElement one : vectors("negotiate")) {
            JsonObject v = one.getAsJsonObject();
            Hub hub = new Hub(text(v, "hub"), text(v, "connectionString"), HttpClient.newHttpClient(),
                Clock.fixed(Instant.ofEpochSecond(v.get("now").getAsLong()), ZoneOffset.UTC));
            Map<String, JsonElement> extra = v.has("extra") ? v.getAsJsonObject("extra").asMap() : Map.of();
            Negotiated answer = hub.negotiate(text(v, "user"), extra, Duration.ofSeconds(v.get("lifetime").getAsLong()));
            assertEquals(text(v, "url"), answer.url());
            assertEquals(v.get("claims"), claims(answer.accessToken(), hub.keys().get(0)), text(v, "name"));
            assertEquals(answer.url(), JsonParser.parseString(answer.toJson()).getAsJsonObject().get("url").getAsString());
        }
    }

    /** A gateway that answers what the test says. */
    private record Stub(HttpServer server, List<String> seen) implements AutoCloseable {
        interface Answers {
            JsonObject answer(int number);
        }

        static Stub start(Answers answers) throws IOException {
            Stub stub = new Stub(HttpServer.create(new InetSocketAddress("localhost", 0), 0), new ArrayList<>());
            stub.server.createContext("/", exchange -> {
                try (exchange) {
                    String target = exchange.getRequestURI().toString(), method = exchange.getRequestMethod();
                    String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
                    String audience = claims(exchange.getRequestHeaders().getFirst("Authorization").substring(7), KEY).get("aud").getAsString();
                    stub.seen.add(method + " " + target + " " + body + (audience.equals(stub.url() + target.split("\\?")[0]) ? "" : " for " + audience));
                    JsonObject answer = answers.answer(stub.seen.size() - 1);
                    byte[] text = answer.has("answer") ? Texts.bytes(answer.get("answer").toString()) : new byte[0];
                    if (answer.has("code")) {
                        exchange.getResponseHeaders().set("x-ms-error-code", answer.get("code").getAsString());
                    }
                    exchange.sendResponseHeaders(answer.get("status").getAsInt(), text.length == 0 ? -1 : text.length);
                    exchange.getResponseBody().write(text);
                }
            });
            stub.server.start();
            return stub;
        }

        String url() {
            return "http://localhost:" + server.getAddress().getPort();
        }

        Hub hub() {
            return new Hub("Chat", "Endpoint=http://elsewhere.test;ServerEndpoint=" + url() + ";AccessKey=" + KEY);
        }

        @Override
        public void close() {
            server.stop(0);
        }
    }

    private static JsonElement call(Hub hub, String name, JsonArray args) throws Exception {
        String first = args.get(0).getAsString(), second = args.size() > 1 && args.get(1).isJsonPrimitive() ? args.get(1).getAsString() : null;
        JsonElement last = args.get(args.size() - 1);
        Object[] list = last.isJsonArray() ? last.getAsJsonArray().asList().toArray() : new Object[0];
        boolean is;
        switch (name) {
            case "sendToAll" -> hub.sendToAll(first, list);
            case "sendToUser" -> hub.sendToUser(first, second, list);
            case "sendToGroup" -> hub.sendToGroup(first, second, list);
            case "sendToConnection" -> hub.sendToConnection(first, second, list);
            case "addToGroup" -> hub.addToGroup(first, second);
            case "removeFromGroup" -> hub.removeFromGroup(first, second);
            case "addUserToGroup" -> hub.addUserToGroup(first, second);
            case "removeUserFromGroup" -> hub.removeUserFromGroup(first, second);
            case "closeConnection" -> hub.closeConnection(first, second);
            case "closeUser" -> hub.closeUser(first, second);
            case "closeGroup" -> hub.closeGroup(first, second);
            case "invoke" -> {
                return hub.invoke(first, second, list);
            }
            default -> {
                is = switch (name) {
                    case "connectionExists" -> hub.connectionExists(first);
                    case "userExists" -> hub.userExists(first);
                    case "groupExists" -> hub.groupExists(first);
                    case "userInGroup" -> hub.userInGroup(first, second);
                    default -> throw new IllegalArgumentException(name);
                };
                return new JsonPrimitive(is);
            }
        }
        return null;
    }

    @Test
    void requests() throws Exception {
        for (JsonElement one : vectors("requests")) {
            JsonObject v = one.getAsJsonObject();
            try (Stub stub = Stub.start(i -> v)) {
                if (v.has("refused")) {
                    assertThrows(IllegalArgumentException.class, () -> call(stub.hub(), text(v, "call"), v.getAsJsonArray("args")));
                    assertEquals(List.of(), stub.seen());
                    continue;
                }
                if (v.has("error")) {
                    StatusException e = assertThrows(StatusException.class, () -> call(stub.hub(), text(v, "call"), v.getAsJsonArray("args")));
                    assertEquals(v.get("error").getAsInt(), e.status());
                } else {
                    assertEquals(v.get("result"), call(stub.hub(), text(v, "call"), v.getAsJsonArray("args")), text(v, "call"));
                }
                assertEquals(List.of(text(v, "method") + " " + text(v, "target") + " " + (v.has("body") ? Texts.GSON.toJson(v.get("body")) : "")), stub.seen());
            }
        }
    }

    @Test
    void pagesOfAGroup() throws Exception {
        JsonObject list = read("../vectors/vectors.json").getAsJsonObject().getAsJsonObject("list");
        JsonArray pages = list.getAsJsonArray("pages");
        try (Stub stub = Stub.start(i -> {
            JsonObject page = pages.get(i).getAsJsonObject();
            page.addProperty("status", 200);
            return page;
        })) {
            JsonArray got = new JsonArray();
            for (Member member : stub.hub().listGroup(text(list, "group"))) {
                got.add(Texts.GSON.toJsonTree(List.of(member.connectionId(), member.userId())));
            }
            assertEquals(list.get("result"), got);
            for (int i = 0; i < pages.size(); i++) {
                assertEquals("GET " + text(pages.get(i).getAsJsonObject(), "target") + " ", stub.seen().get(i));
            }
        }
    }

    @Test
    void tableOfSignatures() throws IOException {
        for (JsonElement one : read("../../webhook/signature/testdata/vectors.json").getAsJsonArray()) {
            JsonObject v = one.getAsJsonObject();
            List<String> keys = v.getAsJsonArray("keys").asList().stream().map(JsonElement::getAsString).toList();
            String got;
            try {
                String id = Signature.verify(text(v, "header"), keys, text(v, "method"), text(v, "target"), Base64.getDecoder().decode(text(v, "bodyBase64")),
                    Duration.ofSeconds(v.get("toleranceSeconds").getAsLong()), Instant.ofEpochSecond(v.get("now").getAsLong()));
                assertEquals(text(v, "id"), id);
                got = "ok";
            } catch (Signature.Refused refused) {
                got = refused.getMessage();
            }
            assertEquals(text(v, "expect"), got, text(v, "name"));
        }
    }

    private static Map<String, String> headers(JsonObject v) {
        Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        v.getAsJsonObject("headers").entrySet().forEach(e -> headers.put(e.getKey(), e.getValue().getAsString()));
        return headers;
    }

    @Test
    void webhooks() throws Exception {
        JsonArray all = vectors("webhooks");
        all.addAll(vectors("messagePack"));
        for (JsonElement one : all) {
            JsonObject v = one.getAsJsonObject();
            Event[] seen = new Event[1];
            Webhook webhook = new Webhook(List.of("other", KEY), event -> {
                seen[0] = event;
                if (v.has("fails")) {
                    throw new ErrorForClient(text(v, "fails"));
                }
                return v.get("returns");
            });
            Webhook.Answer answer = webhook.answer("POST", "/hook", headers(v)::get,
                v.has("bodyBase64") ? Base64.getDecoder().decode(text(v, "bodyBase64")) : Texts.bytes(text(v, "body")));
            assertEquals(v.get("status").getAsInt(), answer.status(), text(v, "name"));
            if (!v.has("seen")) {
                assertNull(seen[0]);
                continue;
            }
            JsonObject got = new JsonObject();
            got.addProperty("hub", seen[0].hub());
            got.addProperty("category", seen[0].category());
            got.addProperty("event", seen[0].name());
            got.addProperty("connectionId", seen[0].connectionId());
            got.addProperty("userId", seen[0].userId());
            got.add("arguments", Texts.GSON.toJsonTree(seen[0].arguments()));
            if (seen[0].error() != null) {
                got.addProperty("error", seen[0].error());
            }
            assertEquals(v.get("seen"), got);
            if (v.has("answerText")) {
                assertEquals(text(v, "answerText"), new String(answer.body(), StandardCharsets.UTF_8));
                continue;
            }
            if (v.has("answerMsgpack")) {
                String packed = org.msgpack.core.MessagePack.newDefaultUnpacker(answer.body()).unpackValue().toJson();
                assertEquals(v.get("answerMsgpack"), JsonParser.parseString(packed), text(v, "name"));
                continue;
            }
            String body = new String(answer.body(), StandardCharsets.UTF_8);
            assertEquals(v.has("answer") ? v.get("answer") : JsonNull.INSTANCE, JsonParser.parseString(body), text(v, "name"));
        }
    }

    /** The headers of a connection. */
    private static HttpRequest.Builder of(HttpRequest.Builder request, String connection, String key) {
        String sum = HexFormat.of().formatHex(Texts.hmac(key, Texts.bytes(connection)));
        return request.header("X-ASRS-Connection-Id", connection).header("X-ASRS-Signature", "sha256=" + sum);
    }

    /** By HTTP: the whole request, and a failure that stays here. */
    @Test
    void handler() throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("localhost", 0), 0);
        Event[] seen = new Event[1];
        server.createContext("/", new WebhookHandler(new Webhook(List.of(KEY), event -> {
            seen[0] = event;
            throw new IllegalStateException("secret");
        }, true)));
        server.start();
        try {
            String target = "/hook%2Fx?a=b", body = "{\"type\":10}";
            long sent = Instant.now().getEpochSecond();
            String sum = HexFormat.of().formatHex(Texts.hmac(KEY, Texts.bytes("v1\n" + sent + "\nabc.1\nPOST\n" + target + "\n" + body)));
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create("http://localhost:" + server.getAddress().getPort() + target))
                .header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(body));
            HttpClient client = HttpClient.newHttpClient();
            assertEquals(401, client.send(request.build(), HttpResponse.BodyHandlers.ofString()).statusCode());
            request.header("X-Hubgate-Signature", "t=" + sent + ",id=abc.1,v1=" + sum).header("X-ASRS-User-Id", "a%2541%09%C2%85 100% %zz+");
            assertEquals(401, client.send(request.build(), HttpResponse.BodyHandlers.ofString()).statusCode());
            // It is the event of this connection, and of no other one.
            for (String[] of : new String[][] {{"abc", "x"}, {"abd", KEY}, {"ab", KEY}}) {
                assertEquals(401, client.send(of(request.copy(), of[0], of[1]).build(), HttpResponse.BodyHandlers.ofString()).statusCode(), of[0]);
            }
            assertNull(seen[0]);
            HttpResponse<String> answer = client.send(of(request, "abc", KEY).build(), HttpResponse.BodyHandlers.ofString());
            assertEquals(500, answer.statusCode());
            assertEquals("the application failed", answer.body());
            assertEquals("abc.1", seen[0].id());
            assertEquals("a%41\t\u0085 100% %zz+", seen[0].userId());
        } finally {
            server.stop(0);
        }
    }

    /** Every call to a gateway in which nobody is connected. */
    @Test
    void atAGateway() throws Exception {
        String connection = System.getenv("HUBGATE_TEST_CONNECTION_STRING");
        assumeTrue(connection != null, "HUBGATE_TEST_CONNECTION_STRING names no gateway");
        Hub hub = new Hub("Chat", connection);
        hub.sendToAll("say", "hi", Map.of("a", 1));
        hub.sendToUser("a/b ü", "say");
        hub.sendToGroup("red", "say", 1);
        hub.addUserToGroup("a/b ü", "red");
        hub.closeUser("ann", null);
        hub.closeGroup("red", "x");
        assertTrue(hub.userInGroup("a/b ü", "red"));
        hub.removeUserFromGroup("a/b ü", "red");
        assertFalse(hub.userInGroup("a/b ü", "red"));
        assertFalse(hub.userExists("ann"));
        assertEquals(List.of(), hub.listGroup("red"));
        assertEquals(404, assertThrows(StatusException.class, () -> hub.invoke("nobody", "ask")).status());
        Hub stranger = new Hub("chat", "Endpoint=" + ConnectionString.parse(connection).endpoint() + ";AccessKey=another-key-another-key-another-key");
        assertEquals(401, assertThrows(StatusException.class, () -> stranger.sendToAll("say")).status());
    }
}

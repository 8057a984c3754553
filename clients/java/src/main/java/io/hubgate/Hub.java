package io.hubgate;

import static io.hubgate.Texts.GSON;
import static io.hubgate.Texts.escape;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.net.URLDecoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One hub of a gateway. Its methods may be called by several threads. They throw a {@link StatusException} for an answer that is neither
 * success nor "no".
 */
public final class Hub {
    private static final String VERSION = "2022-06-01";
    private static final String NEWEST = "2024-12-01"; // of what was not there before
    /** The codes of a 404 that is the gateway's "no". Any other 404 is of something that does not know the path. */
    private static final Pattern NO = Pattern.compile("(?i)warning\\.(connection|user|group)\\.notexisted|info\\.user\\.notingroup");
    /** What programs and proxies take out of a path, however it is escaped. */
    private static final Pattern DOTS = Pattern.compile("/\\.\\.?(/|$)");
    /** Claims of the token. Those of a user with such a name have a prefix, which the gateway takes away. */
    private static final Set<String> RESERVED = Set.of("aud", "exp", "iat", "nbf", "iss", "actort", "acr", "azp", "c_hash", "jti", "nonce");
    private static final Pattern TOKEN = Pattern.compile("[?&]continuationToken=([^&#]+)");

    private final String name;
    private final ConnectionString at;
    private final HttpClient client;
    private final Clock clock;

    /**
     * The hub of the gateway that the connection string names: "Endpoint=…;AccessKey=…;", with Port, ClientEndpoint and ServerEndpoint if
     * need be.
     */
    public Hub(String name, String connectionString) {
        this(name, connectionString, HttpClient.newHttpClient(), Clock.systemUTC());
    }

    /** With an own client for requests, and a clock. */
    public Hub(String name, String connectionString, HttpClient client, Clock clock) {
        if (name.isEmpty()) {
            throw new IllegalArgumentException("the hub has no name");
        }
        this.name = name.toLowerCase(Locale.ROOT);
        this.at = ConnectionString.parse(connectionString);
        this.client = client;
        this.clock = clock;
    }

    /** The access keys that webhooks are signed with. */
    public List<String> keys() {
        return List.of(at.key());
    }

    /** Where a client connects to: the answer of POST …/negotiate, for the user who is logged in there; null is nobody. */
    public Negotiated negotiate(String user) {
        return negotiate(user, Map.of(), Duration.ofHours(1));
    }

    /** The same with claims, which webhooks and hub servers see (a list is several), and how long the token is good. */
    public Negotiated negotiate(String user, Map<String, ?> claims, Duration lifetime) {
        Map<String, Object> all = new LinkedHashMap<>();
        claims.forEach((name, value) -> all.put(RESERVED.contains(name) ? "asrs.u." + name : name, value));
        if (user != null && !user.isEmpty()) {
            all.put("asrs.s.uid", user);
        }
        String path = "/client/?hub=" + escape(name);
        return new Negotiated(at.clientEndpoint() + path, token(at.endpoint() + path, all, lifetime));
    }

    private String token(String audience, Map<String, Object> claims, Duration lifetime) {
        long now = clock.instant().getEpochSecond();
        claims.put("aud", audience);
        claims.put("iat", now);
        claims.put("exp", now + lifetime.toSeconds());
        String body = part(Texts.bytes("{\"alg\":\"HS256\",\"typ\":\"JWT\"}")) + "." + part(Texts.bytes(GSON.toJson(claims)));
        return body + "." + part(Texts.hmac(at.key(), Texts.bytes(body)));
    }

    private static String part(byte[] data) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(data);
    }

    /** Calls a method of every client. It returns when the gateway has taken it: who receives it it does not say. */
    public void sendToAll(String target, Object... arguments) throws IOException, InterruptedException {
        send("", target, arguments);
    }

    /** Calls a method of all clients of a user. */
    public void sendToUser(String user, String target, Object... arguments) throws IOException, InterruptedException {
        send("/users/" + escape(user), target, arguments);
    }

    /** Calls a method of all clients in a group. */
    public void sendToGroup(String group, String target, Object... arguments) throws IOException, InterruptedException {
        send("/groups/" + escape(group), target, arguments);
    }

    /** Calls a method of one client. */
    public void sendToConnection(String id, String target, Object... arguments) throws IOException, InterruptedException {
        send("/connections/" + escape(id), target, arguments);
    }

    private void send(String to, String target, Object[] arguments) throws IOException, InterruptedException {
        call("POST", to + "/:send", VERSION, null, null, message(target, arguments));
    }

    private static String message(String target, Object[] arguments) {
        JsonObject message = new JsonObject();
        message.addProperty("target", target);
        JsonArray all = new JsonArray();
        for (Object one : arguments) {
            all.add(one instanceof JsonElement element ? element : GSON.toJsonTree(one));
        }
        message.add("arguments", all);
        return GSON.toJson(message);
    }

    /** Calls a method of one client and returns its result. */
    public JsonElement invoke(String id, String target, Object... arguments) throws IOException, InterruptedException {
        String answer = call("POST", "/connections/" + escape(id) + "/:invoke", NEWEST, null, null, message(target, arguments));
        return JsonParser.parseString(answer).getAsJsonObject().get("result");
    }

    /** Adds a connection to a group. */
    public void addToGroup(String id, String group) throws IOException, InterruptedException {
        call("PUT", "/groups/" + escape(group) + "/connections/" + escape(id));
    }

    /** Removes a connection from a group. */
    public void removeFromGroup(String id, String group) throws IOException, InterruptedException {
        call("DELETE", "/groups/" + escape(group) + "/connections/" + escape(id));
    }

    /** Adds a user to a group: all clients that the user has and will have. */
    public void addUserToGroup(String user, String group) throws IOException, InterruptedException {
        call("PUT", "/users/" + escape(user) + "/groups/" + escape(group));
    }

    /** Removes a user from a group. */
    public void removeUserFromGroup(String user, String group) throws IOException, InterruptedException {
        call("DELETE", "/users/" + escape(user) + "/groups/" + escape(group));
    }

    /** Closes a connection. The client is told the reason; null is none. */
    public void closeConnection(String id, String reason) throws IOException, InterruptedException {
        call("DELETE", "/connections/" + escape(id), VERSION, "reason", reason, null);
    }

    /** Closes all connections of a user. */
    public void closeUser(String user, String reason) throws IOException, InterruptedException {
        call("POST", "/users/" + escape(user) + "/:closeConnections", VERSION, "reason", reason, null);
    }

    /** Closes all connections in a group. */
    public void closeGroup(String group, String reason) throws IOException, InterruptedException {
        call("POST", "/groups/" + escape(group) + "/:closeConnections", VERSION, "reason", reason, null);
    }

    /** Whether there is such a connection. */
    public boolean connectionExists(String id) throws IOException, InterruptedException {
        return is("/connections/" + escape(id));
    }

    /** Whether a user has a client. */
    public boolean userExists(String user) throws IOException, InterruptedException {
        return is("/users/" + escape(user));
    }

    /** Whether a group has a client. */
    public boolean groupExists(String group) throws IOException, InterruptedException {
        return is("/groups/" + escape(group));
    }

    /** Whether a user was added to a group. */
    public boolean userInGroup(String user, String group) throws IOException, InterruptedException {
        return is("/users/" + escape(user) + "/groups/" + escape(group));
    }

    private boolean is(String path) throws IOException, InterruptedException {
        try {
            call("HEAD", path);
            return true;
        } catch (StatusException e) {
            if (e.status() == 404 && e.code() != null && NO.matcher(e.code()).matches()) {
                return false;
            }
            throw e;
        }
    }

    /** The connections in a group, of all pages. */
    public List<Member> listGroup(String group) throws IOException, InterruptedException {
        List<Member> members = new ArrayList<>();
        for (String token = null; ; ) {
            JsonObject page = JsonParser.parseString(call("GET", "/groups/" + escape(group) + "/connections", NEWEST, "continuationToken", token, null)).getAsJsonObject();
            for (JsonElement one : page.getAsJsonArray("value")) {
                JsonElement user = one.getAsJsonObject().get("userId");
                members.add(new Member(one.getAsJsonObject().get("connectionId").getAsString(), user == null || user.isJsonNull() ? "" : user.getAsString()));
            }
            // Of the link only the token counts: an answer does not say where this hub's token is sent to.
            JsonElement next = page.get("nextLink");
            Matcher found = TOKEN.matcher(next == null || next.isJsonNull() ? "" : next.getAsString());
            if (!found.find()) {
                return members;
            }
            token = URLDecoder.decode(found.group(1), StandardCharsets.UTF_8);
        }
    }

    private void call(String method, String path) throws IOException, InterruptedException {
        call(method, path, VERSION, null, null, null);
    }

    /** Makes one request and returns the body of a success. The path is that below the hub. */
    private String call(String method, String path, String version, String query, String value, String body) throws IOException, InterruptedException {
        if (DOTS.matcher(path).find()) {
            throw new IllegalArgumentException("\".\" and \"..\" cannot be an id in a URL");
        }
        String audience = at.serverEndpoint() + "/api/hubs/" + escape(name) + path;
        String url = audience + "?api-version=" + version + (value == null || value.isEmpty() ? "" : "&" + query + "=" + escape(value));
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(60))
            .header("Authorization", "Bearer " + token(audience, new LinkedHashMap<>(), Duration.ofHours(1)))
            .method(method, body == null ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(body));
        if (body != null) {
            request.header("Content-Type", "application/json");
        }
        HttpResponse<String> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() / 100 != 2) {
            throw new StatusException(answer.statusCode(), answer.body(), answer.headers().firstValue("Retry-After").orElse(null),
                answer.headers().firstValue("x-ms-error-code").orElse(null));
        }
        return answer.body();
    }
}

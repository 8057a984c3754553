package io.hubgate;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Answers webhooks, whatever server they come by: {@link WebhookServlet}, {@link WebhookHandler}, or {@link #answer} in one of your own. */
public final class Webhook {
    /** What it returns is the result of a client that waits for one. */
    @FunctionalInterface
    public interface Handler {
        Object handle(Event event) throws Exception;
    }

    /** The answer to a webhook. */
    public record Answer(int status, String contentType, byte[] body) {}

    /** Bytes of a body that servers read. */
    static final int MAX_BODY = 1 << 20;

    private static final String JSON = "application/json", PACKED = "application/x-msgpack";

    private static final Pattern ENCODED = Pattern.compile("(?:%[0-9A-Fa-f]{2})+");

    private static final System.Logger LOG = System.getLogger("io.hubgate");

    private final List<String> keys;
    private final boolean wholeRequest;
    private final Handler handler;

    /** With the access keys of the gateway, one of which has to have signed: {@link Hub#keys}. */
    public Webhook(List<String> keys, Handler handler) {
        this(keys, handler, false);
    }

    /**
     * wholeRequest refuses requests without X-Hubgate-Signature, which covers method, path, time, event, connection and body, but not the
     * headers of user, hub, category and event. Without it Azure's signature, which covers the connection id only and is checked always, is
     * enough where the other one is missing.
     */
    public Webhook(List<String> keys, Handler handler, boolean wholeRequest) {
        this.keys = List.copyOf(keys);
        this.handler = handler;
        this.wholeRequest = wholeRequest;
    }

    /** Answers one request. The target is path and query as they were sent; header gives the value of a header, or null. */
    public Answer answer(String method, String target, UnaryOperator<String> header, byte[] body) {
        UnaryOperator<String> get = name -> header.apply(name) == null ? "" : header.apply(name);
        String whole = get.apply("X-Hubgate-Signature"), connection = get.apply("X-ASRS-Connection-Id"), id = null;
        if (!Signature.isGenuine(keys, connection, get.apply("X-ASRS-Signature"))) {
            return text(401, "the signature is not good");
        }
        if (wholeRequest || !whole.isEmpty()) {
            try {
                id = Signature.verify(whole, keys, method, target, body, Signature.DEFAULT_TOLERANCE, Instant.now());
            } catch (Signature.Refused refused) {
                return text(401, "the signature is not good: " + refused.getMessage());
            }
            // The header of the connection is not signed there, but the event is, and begins with it.
            if (!id.startsWith(connection + ".")) {
                return text(401, "the signature is not good: it is of another connection");
            }
        }
        Call call;
        switch (get.apply("Content-Type").split(";", 2)[0].strip()) {
            case JSON -> {
                try {
                    JsonObject record = JsonParser.parseString(new String(body, StandardCharsets.UTF_8)).getAsJsonObject();
                    List<JsonElement> arguments = record.get("arguments") instanceof JsonArray list ? list.asList() : List.of();
                    call = new Call(string(record, "invocationId"), arguments, string(record, "error"), false);
                } catch (JsonParseException | IllegalStateException e) {
                    return text(400, "the body is not JSON");
                }
            }
            case PACKED -> {
                try {
                    call = MessagePack.read(body);
                } catch (NoClassDefFoundError e) {
                    return text(415, "MessagePack is read where org.msgpack:msgpack-core is there");
                }
                if (call == null) {
                    return text(400, "the body is not a MessagePack call");
                }
            }
            default -> {
                return text(415, "only JSON and MessagePack are read here");
            }
        }
        String user = get.apply("X-ASRS-User-Id");
        if (!whole.isEmpty()) { // the request is hubgate's, which percent-encodes what a header cannot carry
            user = ENCODED.matcher(user).replaceAll(run -> Matcher.quoteReplacement(URLDecoder.decode(run.group(), StandardCharsets.UTF_8)));
        }
        return handled(call, new Event(get.apply("X-ASRS-Hub"), get.apply("X-ASRS-Category"), get.apply("X-ASRS-Event"),
            connection, user, call.arguments(), call.error(), id));
    }

    /** What a body says. Packed: the client speaks MessagePack. */
    record Call(String invocation, List<JsonElement> arguments, String error, boolean packed) {
        Answer completion(JsonElement result, String error) {
            if (packed) {
                return new Answer(200, PACKED, MessagePack.completion(invocation, result, error));
            }
            JsonObject completion = new JsonObject();
            completion.addProperty("type", 3);
            completion.addProperty("invocationId", invocation);
            if (error == null) {
                completion.add("result", result);
            } else {
                completion.addProperty("error", error);
            }
            return new Answer(200, JSON, Texts.bytes(Texts.GSON.toJson(completion)));
        }
    }

    private Answer handled(Call call, Event event) {
        try {
            Object result = handler.handle(event);
            if (call.invocation() == null) {
                return text(200, "");
            }
            return call.completion(result instanceof JsonElement element ? element : Texts.GSON.toJsonTree(result), null);
        } catch (Exception e) {
            boolean told = e instanceof ErrorForClient;
            if (told && call.invocation() != null) {
                return call.completion(null, String.valueOf(e.getMessage()));
            }
            if (told && event.category().equals("connections") && event.name().equals("connected")) {
                return text(403, String.valueOf(e.getMessage()));
            }
            LOG.log(System.Logger.Level.ERROR, "a webhook failed", e);
            return text(500, "the application failed");
        }
    }

    private static String string(JsonObject record, String name) {
        JsonElement value = record.get(name);
        return value == null || !value.isJsonPrimitive() ? null : value.getAsString();
    }

    static Answer text(int status, String text) {
        return new Answer(status, "text/plain; charset=utf-8", Texts.bytes(text));
    }

    /** Header values are UTF-8, which servers give as Latin-1. */
    static String utf8(String value) {
        return value == null ? null : new String(value.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
    }
}

package io.hubgate;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.util.Base64;
import java.util.Map;
import org.msgpack.core.MessageBufferPacker;
import org.msgpack.core.MessagePackException;
import org.msgpack.core.MessageUnpacker;

/** Records of MessagePack clients. It is loaded for them only: org.msgpack:msgpack-core need not be there. */
final class MessagePack {
    /** How deeply values may be nested. */
    private static final int MAX_DEPTH = 100;

    /** The kinds of results of a completion. */
    private static final int RESULT_ERROR = 1, RESULT_VALUE = 3;

    private MessagePack() {}

    /** Reads type, headers, invocation id, target, arguments and more. 1 is a call, 4 one whose result is a stream. Null: it is neither. */
    static Webhook.Call read(byte[] body) {
        try (MessageUnpacker unpacker = org.msgpack.core.MessagePack.newDefaultUnpacker(body)) {
            if (!(value(unpacker, body.length, 0) instanceof JsonArray parts) || unpacker.hasNext() || parts.size() < 5 || !isCall(parts.get(0))
                || !(parts.get(4) instanceof JsonArray arguments)) {
                return null;
            }
            String invocation = parts.get(2) instanceof JsonPrimitive id && id.isString() ? id.getAsString() : null;
            return new Webhook.Call(invocation, arguments.asList(), null, true);
        } catch (IOException | MessagePackException e) {
            return null;
        }
    }

    private static boolean isCall(JsonElement type) {
        return type.equals(new JsonPrimitive(1)) || type.equals(new JsonPrimitive(4));
    }

    /** Reads a value. No part is longer than most: nothing is set aside for what one says of its length. */
    private static JsonElement value(MessageUnpacker unpacker, int most, int depth) throws IOException {
        if (depth > MAX_DEPTH) {
            throw new IOException("nested too deeply");
        }
        switch (unpacker.getNextFormat().getValueType()) {
            case NIL -> {
                unpacker.unpackNil();
                return JsonNull.INSTANCE;
            }
            case BOOLEAN -> {
                return new JsonPrimitive(unpacker.unpackBoolean());
            }
            case INTEGER -> {
                return new JsonPrimitive(unpacker.unpackBigInteger());
            }
            case FLOAT -> {
                double number = unpacker.unpackDouble();
                if (!Double.isFinite(number)) {
                    throw new IOException("JSON has no such number");
                }
                return new JsonPrimitive(number);
            }
            case STRING -> {
                return new JsonPrimitive(unpacker.unpackString());
            }
            case BINARY -> {
                int length = unpacker.unpackBinaryHeader();
                if (length > most) {
                    throw new IOException("it breaks off");
                }
                return new JsonPrimitive(Base64.getEncoder().encodeToString(unpacker.readPayload(length)));
            }
            case ARRAY -> {
                JsonArray array = new JsonArray();
                for (int left = unpacker.unpackArrayHeader(); left > 0; left--) {
                    array.add(value(unpacker, most, depth + 1));
                }
                return array;
            }
            case MAP -> {
                JsonObject object = new JsonObject();
                for (int left = unpacker.unpackMapHeader(); left > 0; left--) {
                    object.add(unpacker.unpackString(), value(unpacker, most, depth + 1));
                }
                return object;
            }
            default -> {
                if (unpacker.getNextFormat().getValueType().isExtensionType()) {
                    return new JsonPrimitive(unpacker.unpackTimestamp().toString());
                }
                throw new IOException("an unknown kind of value");
            }
        }
    }

    static byte[] completion(String invocation, JsonElement result, String error) {
        try (MessageBufferPacker packer = org.msgpack.core.MessagePack.newDefaultBufferPacker()) {
            packer.packArrayHeader(5).packInt(3).packMapHeader(0).packString(invocation);
            if (error == null) {
                pack(packer.packInt(RESULT_VALUE), result);
            } else {
                packer.packInt(RESULT_ERROR).packString(error);
            }
            return packer.toByteArray();
        } catch (IOException e) {
            throw new UncheckedIOException(e); // it is in memory
        }
    }

    private static void pack(org.msgpack.core.MessagePacker packer, JsonElement value) throws IOException {
        if (value instanceof JsonArray array) {
            packer.packArrayHeader(array.size());
            for (JsonElement one : array) {
                pack(packer, one);
            }
        } else if (value instanceof JsonObject object) {
            packer.packMapHeader(object.size());
            for (Map.Entry<String, JsonElement> one : object.entrySet()) {
                pack(packer.packString(one.getKey()), one.getValue());
            }
        } else if (!(value instanceof JsonPrimitive primitive)) {
            packer.packNil();
        } else if (primitive.isBoolean()) {
            packer.packBoolean(primitive.getAsBoolean());
        } else if (primitive.isString()) {
            packer.packString(primitive.getAsString());
        } else {
            number(packer, primitive.getAsBigDecimal());
        }
    }

    private static void number(org.msgpack.core.MessagePacker packer, BigDecimal number) throws IOException {
        try {
            packer.packBigInteger(number.toBigIntegerExact());
        } catch (ArithmeticException | IllegalArgumentException e) { // a fraction, or more than 64 bits
            packer.packDouble(number.doubleValue());
        }
    }
}

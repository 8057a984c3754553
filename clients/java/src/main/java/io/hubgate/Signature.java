package io.hubgate;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;

/** The two signatures of webhooks. */
public final class Signature {
    /** How far the clock of the gateway and one's own may be apart. */
    public static final Duration DEFAULT_TOLERANCE = Duration.ofMinutes(5);

    private Signature() {}

    /** A signature that is not good; the message is missing, malformed, mismatch or time. */
    public static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        Refused(String why) {
            super(why);
        }
    }

    /** Checks X-Hubgate-Signature, which covers the whole request, and returns the id of the event. The target is path and query as the gateway has sent them. */
    public static String verify(String header, List<String> keys, String method, String target, byte[] body, Duration tolerance, Instant now) throws Refused {
        if (header == null || header.isEmpty()) {
            throw new Refused("missing");
        }
        if (Texts.bytes(header).length > 2048) {
            throw new Refused("malformed");
        }
        List<String> times = all(header, "t"), events = all(header, "id"), signatures = all(header, "v1");
        if (times.size() != 1 || events.size() != 1 || events.get(0).isEmpty() || !times.get(0).matches("-?[0-9]{1,18}")
            || signatures.isEmpty() || signatures.size() > 8 || !signatures.stream().allMatch(one -> one.matches("[0-9a-fA-F]{64}"))) {
            throw new Refused("malformed");
        }
        byte[] head = Texts.bytes("v1\n" + times.get(0) + "\n" + events.get(0) + "\n" + method + "\n" + target + "\n");
        boolean good = false;
        for (String key : keys) {
            if (key.isEmpty()) {
                continue;
            }
            byte[] want = Texts.hmac(key, head, body);
            for (String one : signatures) {
                good |= MessageDigest.isEqual(want, HexFormat.of().parseHex(one));
            }
        }
        if (!good) {
            throw new Refused("mismatch");
        }
        if (Math.abs(now.getEpochSecond() - Long.parseLong(times.get(0))) > tolerance.toSeconds()) {
            throw new Refused("time");
        }
        return events.get(0);
    }

    private static List<String> all(String header, String name) {
        List<String> values = new ArrayList<>();
        for (String field : header.split(",", -1)) {
            if (field.startsWith(name + "=")) {
                values.add(field.substring(name.length() + 1));
            }
        }
        return values;
    }

    /** Whether X-ASRS-Signature was made with one of the keys. It covers the connection id only. */
    public static boolean isGenuine(List<String> keys, String connectionId, String signature) {
        boolean good = false;
        for (String key : keys) {
            if (key.isEmpty()) {
                continue;
            }
            byte[] want = ("sha256=" + HexFormat.of().formatHex(Texts.hmac(key, Texts.bytes(connectionId)))).getBytes(StandardCharsets.US_ASCII);
            for (String one : signature.toLowerCase(Locale.ROOT).split(",")) {
                good |= MessageDigest.isEqual(want, Texts.bytes(one.strip()));
            }
        }
        return good;
    }
}

package interop;

import com.microsoft.signalr.HubConnectionBuilder;
import com.microsoft.signalr.TransportEnum;
import io.reactivex.rxjava3.core.Single;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** The official Java client against a gateway: prints a line for each case, exits 1 if one failed. */
public final class Main {
    private static final String UNICODE = "Grüße, Ελληνικά, 日本語, 🚀";

    private final String app = System.getenv("APP_URL");
    private final String endpoint = System.getenv("HUBGATE_ENDPOINT");
    private final Rest rest = new Rest(endpoint, System.getenv("HUBGATE_KEY"));
    private int hubs;
    private int failed;

    private interface Case {
        void run(String hub) throws Exception;
    }

    public static void main(String[] args) {
        Main main = new Main();
        for (TransportEnum transport : new TransportEnum[] {TransportEnum.WEBSOCKETS, TransportEnum.LONG_POLLING}) {
            main.runAll(transport);
        }
        main.run("WEBSOCKETS: C23 shouldSkipNegotiate", main::skipsNegotiation);
        System.exit(main.failed == 0 ? 0 : 1);
    }

    private void runAll(TransportEnum transport) {
        String prefix = transport + ": ";
        String text = transport == TransportEnum.WEBSOCKETS ? "C31 " : "";
        run(prefix + text + "C82 C70 invoke, send and their errors through a webhook", hub -> invokes(hub, transport));
        run(prefix + "R22 receive from REST", hub -> receives(hub, transport));
        run(prefix + "server closes with a reason", hub -> isClosed(hub, transport));
        run(prefix + "C34 messages of 64 KB and 1 MB both ways", hub -> carriesBigMessages(hub, transport));
        // On long polling this client has many POSTs under way at a time, and their order is chance.
        boolean ordered = transport == TransportEnum.WEBSOCKETS;
        run(prefix + (ordered ? "R75 200 sends reach the webhook in order" : "200 sends reach the webhook once each"),
            hub -> sendsMany(hub, transport, ordered));
        run(prefix + "C88 stream() is answered by an error", hub -> streamIsRefused(hub, transport));
    }

    private void run(String name, Case body) {
        try {
            body.run("java" + ++hubs);
            System.out.println("ok java " + name);
        } catch (Exception | AssertionError e) {
            failed++;
            System.out.println("FAIL java " + name + ": " + String.valueOf(e).replace('\n', ' '));
        }
    }

    private static void equal(Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError("got " + actual + " instead of " + expected);
        }
    }

    private static String failureOf(Runnable call) {
        try {
            call.run();
        } catch (RuntimeException e) {
            return String.valueOf(e.getMessage());
        }
        throw new AssertionError("no error");
    }

    private Session connect(String hub, TransportEnum transport) {
        return Session.through(app + "/open/" + hub + "/anna", transport);
    }

    private void invokes(String hub, TransportEnum transport) {
        try (Session client = connect(hub, transport)) {
            equal(UNICODE, client.invoke(String.class, "Echo", UNICODE));
            client.hub.invoke("Void").timeout(60, TimeUnit.SECONDS).blockingAwait();
            String why = failureOf(() -> client.invoke(String.class, "Fail"));
            if (!why.contains("no luck")) {
                throw new AssertionError(why);
            }
            client.hub.send("Note", 7);
            equal(List.of(7), tally(client, 1));
        }
    }

    private void receives(String hub, TransportEnum transport) throws Exception {
        try (Session client = connect(hub, transport)) {
            String id = client.hub.getConnectionId();
            rest.send(hub, "", "[\"" + UNICODE + "\"]");
            rest.send(hub, "/users/anna", "[\"user\"]");
            rest.join(hub, "g", id);
            rest.send(hub, "/groups/g", "[\"group\"]");
            rest.send(hub, "/connections/" + id, "[\"connection\"]");
            for (String expected : new String[] {UNICODE, "user", "group", "connection"}) {
                equal(expected, client.nextNews());
            }
        }
    }

    private void isClosed(String hub, TransportEnum transport) throws Exception {
        try (Session client = connect(hub, transport)) {
            rest.close(hub, client.hub.getConnectionId(), "go away");
            Optional<Exception> error = client.whenClosed();
            if (error.isEmpty() || !String.valueOf(error.get().getMessage()).contains("go away")) {
                throw new AssertionError("closed with " + error);
            }
        }
    }

    private void carriesBigMessages(String hub, TransportEnum transport) throws Exception {
        try (Session client = connect(hub, transport)) {
            for (int size : new int[] {64 << 10, 1_000_000}) {
                String text = "x".repeat(size);
                equal(text, client.invoke(String.class, "Echo", text));
                rest.send(hub, "", "[\"" + text + "\"]");
                equal(text, client.nextNews());
            }
        }
    }

    private void sendsMany(String hub, TransportEnum transport, boolean ordered) {
        try (Session client = connect(hub, transport)) {
            for (int i = 0; i < 200; i++) {
                client.hub.send("Note", i);
                if (i % 50 == 49) {
                    tally(client, i + 1);
                }
            }
            List<Integer> notes = tally(client, 200);
            if (!ordered) {
                notes.sort(null);
            }
            equal(IntStream.range(0, 200).boxed().collect(Collectors.toList()), notes);
        }
    }

    /** What the webhook was told by Note, as soon as that is at least {@code count} numbers. */
    private static List<Integer> tally(Session client, int count) {
        List<Integer> notes = new ArrayList<>();
        for (int attempt = 0; attempt < 200 && notes.size() < count; attempt++) {
            notes = new ArrayList<>(Arrays.asList(client.invoke(Integer[].class, "Tally")));
        }
        return notes;
    }

    private void streamIsRefused(String hub, TransportEnum transport) {
        try (Session client = connect(hub, transport)) {
            failureOf(() -> client.hub.stream(Integer.class, "Count", 3).timeout(60, TimeUnit.SECONDS).blockingFirst());
            equal("on", client.invoke(String.class, "Echo", "on"));
        }
    }

    private void skipsNegotiation(String hub) throws Exception {
        String url = endpoint + "/client/?hub=" + hub;
        try (Session client = new Session(HubConnectionBuilder.create(url)
                .shouldSkipNegotiate(true)
                .withTransport(TransportEnum.WEBSOCKETS)
                .withAccessTokenProvider(Single.defer(() -> Single.just(rest.token(url))))
                .build())) {
            equal("skipped", client.invoke(String.class, "Echo", "skipped"));
            rest.send(hub, "", "[\"found\"]");
            equal("found", client.nextNews());
        }
    }
}

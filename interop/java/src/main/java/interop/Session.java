package interop;

import com.microsoft.signalr.HubConnection;
import com.microsoft.signalr.HubConnectionBuilder;
import com.microsoft.signalr.TransportEnum;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** One connected client: what {@code news} brought it, and how it ended. */
final class Session implements AutoCloseable {
    private static final long SECONDS = 60;

    final HubConnection hub;
    final CompletableFuture<Optional<Exception>> closed = new CompletableFuture<>();
    private final BlockingQueue<String> news = new LinkedBlockingQueue<>();

    Session(HubConnection hub) {
        this.hub = hub;
        hub.on("news", text -> news.add(text), String.class);
        hub.onClosed(error -> closed.complete(Optional.ofNullable(error)));
        if (!hub.start().blockingAwait(SECONDS, TimeUnit.SECONDS)) {
            throw new IllegalStateException("start() did not end");
        }
    }

    static Session through(String url, TransportEnum transport) {
        return new Session(HubConnectionBuilder.create(url).withTransport(transport).build());
    }

    <T> T invoke(Class<T> type, String method, Object... arguments) {
        return hub.invoke(type, method, arguments).timeout(SECONDS, TimeUnit.SECONDS).blockingGet();
    }

    String nextNews() throws InterruptedException {
        String text = news.poll(SECONDS, TimeUnit.SECONDS);
        if (text == null) {
            throw new IllegalStateException("no news arrived");
        }
        return text;
    }

    /** The error that the connection was closed with, if any; waits for the close. */
    Optional<Exception> whenClosed() throws Exception {
        return closed.get(SECONDS, TimeUnit.SECONDS);
    }

    @Override
    public void close() {
        hub.stop().blockingAwait(SECONDS, TimeUnit.SECONDS);
    }
}

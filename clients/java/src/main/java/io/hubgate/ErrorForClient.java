package io.hubgate;

/**
 * An error whose text the client gets: as the answer that it waits for, or as the reason why it is rejected, if the event is connected. Every
 * other error is answered with 500, and the client hears nothing of it.
 */
public final class ErrorForClient extends RuntimeException {
    private static final long serialVersionUID = 1;

    public ErrorForClient(String message) {
        super(message);
    }
}

package io.hubgate;

/** An error whose text the client that waits for an answer gets. Every other one is answered with 500, and the client hears nothing of it. */
public final class ErrorForClient extends RuntimeException {
    private static final long serialVersionUID = 1;

    public ErrorForClient(String message) {
        super(message);
    }
}

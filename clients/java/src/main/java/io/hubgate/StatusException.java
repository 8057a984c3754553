package io.hubgate;

import java.io.IOException;

/** An answer that is neither success nor "no". */
public final class StatusException extends IOException {
    private static final long serialVersionUID = 1;
    private final int status;
    private final String retryAfter;
    private final String code;

    StatusException(int status, String text, String retryAfter, String code) {
        super("the gateway answered " + status + ": " + text);
        this.status = status;
        this.retryAfter = retryAfter;
        this.code = code;
    }

    /** The status of the answer. */
    public int status() {
        return status;
    }

    /** The header Retry-After; null without one. */
    public String retryAfter() {
        return retryAfter;
    }

    /** The header x-ms-error-code; null without one. */
    public String code() {
        return code;
    }
}

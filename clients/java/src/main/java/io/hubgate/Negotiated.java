package io.hubgate;

/** What a negotiate endpoint answers as JSON. */
public record Negotiated(String url, String accessToken) {
    /** The answer's body. */
    public String toJson() {
        return Texts.GSON.toJson(this);
    }
}

package io.hubgate;

/** A connection in a group; the user id is "" for nobody. */
public record Member(String connectionId, String userId) {}

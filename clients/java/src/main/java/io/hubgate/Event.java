package io.hubgate;

import com.google.gson.JsonElement;
import java.util.List;

/**
 * What a webhook tells.
 *
 * @param category connections or messages
 * @param name connected, disconnected, or the method that the client calls
 * @param arguments those of a call
 * @param error why a client that has disconnected did so; null for an ordinary end
 * @param id the same in each attempt to deliver the event; null from Azure, which has no such thing
 */
public record Event(String hub, String category, String name, String connectionId, String userId, List<JsonElement> arguments, String error, String id) {}

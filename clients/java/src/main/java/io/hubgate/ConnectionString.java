package io.hubgate;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Where the gateway is, and its key, which is not shown. Requests go to the server endpoint, clients to theirs; the audience of their tokens
 * is the endpoint.
 */
record ConnectionString(String endpoint, String serverEndpoint, String clientEndpoint, String key) {
    /** Reads "Endpoint=…;AccessKey=…;", with Port, ClientEndpoint and ServerEndpoint if need be. Errors do not repeat the text. */
    static ConnectionString parse(String text) {
        Map<String, String> parts = new HashMap<>();
        for (String part : text.split(";")) {
            int at = part.indexOf('=');
            if (at >= 0) {
                parts.put(part.substring(0, at).strip().toLowerCase(Locale.ROOT), part.substring(at + 1).strip());
            }
        }
        String endpoint = endpoint(parts.getOrDefault("endpoint", ""), parts.get("port"));
        String key = parts.getOrDefault("accesskey", "");
        if (key.isEmpty()) {
            throw new IllegalArgumentException("the connection string has no AccessKey");
        }
        String servers = parts.getOrDefault("serverendpoint", ""), clients = parts.getOrDefault("clientendpoint", "");
        return new ConnectionString(endpoint, servers.isEmpty() ? endpoint : endpoint(servers, null), clients.isEmpty() ? endpoint : endpoint(clients, null), key);
    }

    private static String endpoint(String text, String port) {
        URI url;
        try {
            url = new URI(text);
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException("an endpoint of the connection string is no URL");
        }
        if (!("http".equals(url.getScheme()) || "https".equals(url.getScheme())) || url.getHost() == null) {
            throw new IllegalArgumentException("an endpoint of the connection string is not an http:// or https:// URL");
        }
        String host = url.getRawAuthority();
        if (port != null) {
            if (!port.matches("[0-9]{1,5}")) {
                throw new IllegalArgumentException("the Port of the connection string is not a number");
            }
            host = url.getHost() + ":" + port;
        }
        return (url.getScheme() + "://" + host + url.getRawPath()).replaceAll("/+$", "");
    }

    @Override
    public String toString() {
        return endpoint;
    }
}

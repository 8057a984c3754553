package interop;

import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** The REST API, version 1, called without an SDK. */
final class Rest {
    private final HttpClient http = HttpClient.newHttpClient();
    private final String endpoint;
    private final String key;

    Rest(String endpoint, String key) {
        this.endpoint = endpoint;
        this.key = key;
    }

    /** A token signed with the access key, for {@code audience}, valid for an hour. */
    String token(String audience) {
        Base64.Encoder base64 = Base64.getUrlEncoder().withoutPadding();
        long expires = System.currentTimeMillis() / 1000 + 3600;
        String claims = "{\"aud\":\"" + audience + "\",\"exp\":" + expires + "}";
        String text = base64.encodeToString("{\"alg\":\"HS256\",\"typ\":\"JWT\"}".getBytes(StandardCharsets.UTF_8))
            + "." + base64.encodeToString(claims.getBytes(StandardCharsets.UTF_8));
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
            return text + "." + base64.encodeToString(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Sends the invocation of {@code news} with {@code arguments}, a JSON array, to what {@code path} below the hub names. */
    void send(String hub, String path, String arguments) throws IOException, InterruptedException {
        call("POST", "/hubs/" + hub + path, "", "{\"target\":\"news\",\"arguments\":" + arguments + "}", 202);
    }

    void join(String hub, String group, String connection) throws IOException, InterruptedException {
        call("PUT", "/hubs/" + hub + "/groups/" + group + "/connections/" + connection, "", "", 200);
    }

    void close(String hub, String connection, String reason) throws IOException, InterruptedException {
        String query = "?reason=" + URLEncoder.encode(reason, StandardCharsets.UTF_8);
        call("DELETE", "/hubs/" + hub + "/connections/" + connection, query, "", 202);
    }

    private void call(String method, String path, String query, String body, int expected)
            throws IOException, InterruptedException {
        String url = endpoint + "/api/v1" + path;
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + query))
            .method(method, HttpRequest.BodyPublishers.ofString(body))
            .header("Authorization", "Bearer " + token(url))
            .header("Content-Type", "application/json")
            .build();
        HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != expected) {
            throw new IOException(method + " " + path + ": status " + answer.statusCode() + ": " + answer.body());
        }
    }
}

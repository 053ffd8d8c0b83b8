import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

/** Sends what it reads to a URL with Java's HttpClient, which would rather speak HTTP/2, and prints the answer. */
class Ask {
  public static void main(String[] words) throws Exception {
    var body = BodyPublishers.ofByteArray(System.in.readAllBytes());
    var request = HttpRequest.newBuilder(URI.create(words[0])).POST(body).build();
    System.out.print(HttpClient.newHttpClient().send(request, BodyHandlers.ofString()).body());
  }
}

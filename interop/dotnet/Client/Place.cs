using System.Net.Http.Json;

/// <summary>A server and the clients that one case has there.</summary>
sealed class Place(Kind kind, string server) : IAsyncDisposable
{
    readonly List<IClient> clients = [];

    public bool Binary => kind.Binary;

    /// <summary>Connects a client; `prepare` registers its handlers before.</summary>
    public async Task<IClient> Connect(string? user = null, Action<IClient>? prepare = null)
    {
        var client = kind.Make($"{server}/test{(user is null ? "" : "?user=" + Uri.EscapeDataString(user))}");
        clients.Add(client);
        prepare?.Invoke(client);
        await client.StartAsync();
        // The answer to the handshake comes before the hub counts the client among its clients; the answer to a call comes after that.
        await client.InvokeAsync<string>("Echo", "here");
        return client;
    }

    public sealed record Event([property: System.Text.Json.Serialization.JsonPropertyName("event")] string Name, string ConnectionId, string? User, string? Error);

    /// <summary>Waits until the hub has had so many events of a client, and returns them.</summary>
    public async Task<Event[]> Events(string connectionId, int count)
    {
        using var http = new HttpClient();
        while (true)
        {
            var all = (await http.GetFromJsonAsync<Event[]>($"{server}/ctl/events"))!.Where(one => one.ConnectionId == connectionId).ToArray();
            if (all.Length >= count) return all;
            await Task.Delay(20);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in clients) await client.DisposeAsync();
    }
}

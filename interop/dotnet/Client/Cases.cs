using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.SignalR;

/// <summary>What a hub and its .NET clients say to each other. Each server is held to the same.</summary>
static class Cases
{
    public static readonly (string Name, Func<Place, Task> Body)[] All =
    [
        ("calls, arguments and results, side by side, up to 1 MB", Calls),
        ("errors are the call's, not the connection's", Errors),
        ("streams from the hub, their errors and their end by the client", Streams),
        ("streams to the hub", Uploads),
        ("sends to all, others, users, groups and excepts, in order", Sends),
        ("answers of clients, and clients that do not answer", Answers),
        ("the hub sees a client come and go, with its user", Life),
        ("the hub ends a connection", Aborted),
    ];

    const string Unicode = "Grüße, Ελληνικά, 日本語, 🚀, \u0000\u001e\u2028\"\\";

    static void Same<T>(T expected, T got, string? what = null)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, got)) throw new InvalidOperationException($"{what ?? "got"} {got} instead of {expected}");
    }

    static void SameList<T>(IEnumerable<T> expected, IEnumerable<T> got) => Same(string.Join(",", expected), string.Join(",", got));

    static async Task<HubException> Fails(Task task)
    {
        try { await task; }
        catch (HubException e) { return e; }
        throw new InvalidOperationException("no error came");
    }

    /// <summary>What comes for a method with one text, in order.</summary>
    static Channel<string> Texts(IClient client, string method)
    {
        var inbox = Channel.CreateUnbounded<string>();
        client.On(method, [typeof(string)], arguments => { inbox.Writer.TryWrite((string)arguments[0]!); return Task.FromResult<object?>(null); });
        return inbox;
    }

    static async Task<string> Next(Channel<string> inbox, string what)
    {
        try { return await inbox.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30)); }
        catch (TimeoutException) { throw new InvalidOperationException($"{what} did not come"); }
    }

    static async Task Calls(Place place)
    {
        var client = await place.Connect();
        Same(Unicode, await client.InvokeAsync<string>("Echo", Unicode));
        Same("", await client.InvokeAsync<string>("Echo", ""));
        Same(-3, await client.InvokeAsync<int>("Add", 2, -5));
        Same(null, await client.InvokeAsync<object?>("Nothing"));
        foreach (var value in new object?[] { "text", 7, -129, 4294967296, 1.5, true, null, new object?[] { "a", new object?[] { 1, null } } })
            Same(JsonSerializer.Serialize(value), (await client.InvokeAsync<JsonElement?>("EchoAny", value))?.GetRawText() ?? "null");
        var bytes = Enumerable.Range(0, 300).Select(i => (byte)i).ToArray();
        SameList(bytes, await client.InvokeAsync<byte[]>("EchoBytes", bytes));
        var slow = client.InvokeAsync<string>("Slow", 300);
        Same("meanwhile", await client.InvokeAsync<string>("Echo", "meanwhile"));
        Same(false, slow.IsCompleted, "the slow call is done");
        Same("done", await slow);
        SameList(Enumerable.Range(1, 300), await Task.WhenAll(Enumerable.Range(0, 300).Select(i => client.InvokeAsync<int>("Add", i, 1))));
        var big = new string('ß', 10) + new string('x', 1_000_000);
        Same(true, big == await client.InvokeAsync<string>("Echo", big), "1 MB came back whole:");
    }

    static async Task Errors(Place place)
    {
        var client = await place.Connect();
        Same(true, (await Fails(client.InvokeAsync<object?>("Fail", "no luck " + Unicode))).Message.Contains("no luck " + Unicode), "the text is told:");
        Same(false, (await Fails(client.InvokeAsync<object?>("NoSuchMethod"))).Message == "", "the error is empty:");
        await Fails(client.InvokeAsync<int>("Add", 1));
        await Fails(client.InvokeAsync<int>("Add", "x", new object[0]));
        await client.SendAsync("Fail", "nobody asked");
        Same("still here", await client.InvokeAsync<string>("Echo", "still here"));
    }

    static async Task Streams(Place place)
    {
        var client = await place.Connect();
        SameList(Enumerable.Range(0, 1000), await client.StreamAsync<int>("Count", [1000, 0]).ToListAsync());
        SameList(["h", "ä", "ß"], await client.StreamAsync<string>("Letters", ["häß"]).ToListAsync());
        var got = new List<string>();
        var error = await Fails(Task.Run(async () => { await foreach (var letter in client.StreamAsync<string>("Letters", ["ab!"])) got.Add(letter); }));
        SameList(["a", "b", "!"], got);
        Same(true, error.Message.Contains("the stream failed"), "the stream's error is told:");
        using var cancel = new CancellationTokenSource();
        // Without the cancellation this stream takes hours. Items that were under way may still come.
        try { await foreach (var n in client.StreamAsync<int>("Count", [1_000_000, 5], cancel.Token)) if (n == 3) cancel.Cancel(); }
        catch (OperationCanceledException) { }
        Same(true, cancel.IsCancellationRequested, "the stream came to its fourth item:");
        Same("after the end", await client.InvokeAsync<string>("Echo", "after the end"));
    }

    static async IAsyncEnumerable<int> UpTo(int n)
    {
        for (var i = 1; i <= n; i++) { if (i % 50 == 0) await Task.Yield(); yield return i; }
    }

    static async Task Uploads(Place place)
    {
        var client = await place.Connect();
        Same(20_100, await client.InvokeAsync<int>("Sum", UpTo(200)));
        Same(0, await client.InvokeAsync<int>("Sum", UpTo(0)));
        SameList(Enumerable.Range(1, 100).Select(n => 2 * n), await client.StreamAsync<int>("Double", [UpTo(100)]).ToListAsync());
    }

    static async Task Sends(Place place)
    {
        var (user, group) = ($"ann ü/{Guid.NewGuid():n}", $"room {Guid.NewGuid():n}");
        var inboxes = new List<Channel<string>>();
        async Task<IClient> Join(string? name) => await place.Connect(name, client => inboxes.Add(Texts(client, group)));
        var (a, b, c) = (await Join(user), await Join(user), await Join(null));
        // Each send goes to the clients named by their letters. Nothing else may come: the inboxes are read in order.
        async Task Sent(string to, string text, Task send)
        {
            await send;
            for (var i = 0; i < 3; i++) if (to.Contains("abc"[i])) Same(text, await Next(inboxes[i], $"{text} at {"abc"[i]}"), "abc"[i].ToString());
        }
        await Sent("abc", "all", a.InvokeAsync<object?>("Broadcast", group, "all"));
        await Sent("bc", "others", a.InvokeAsync<object?>("AllExcept", new[] { a.ConnectionId }, group, "others"));
        await Sent("c", "one", a.InvokeAsync<object?>("SendToClient", c.ConnectionId, group, "one"));
        await Sent("ac", "two", a.InvokeAsync<object?>("SendToClients", new[] { a.ConnectionId, c.ConnectionId }, group, "two"));
        await Sent("ab", "user", c.InvokeAsync<object?>("SendToUser", user, group, "user"));
        foreach (var client in new[] { a, c }) await client.InvokeAsync<object?>("Join", group);
        await Sent("ac", "group", b.InvokeAsync<object?>("SendToGroup", group, group, "group"));
        await Sent("c", "the other", a.InvokeAsync<object?>("OthersInGroup", group, group, "the other"));
        await a.InvokeAsync<object?>("Leave", group);
        await Sent("c", "left", b.InvokeAsync<object?>("SendToGroup", group, group, "left"));
        for (var i = 0; i < 200; i++) await a.InvokeAsync<object?>("SendToClient", b.ConnectionId, group, $"{i}");
        for (var i = 0; i < 200; i++) Same($"{i}", await Next(inboxes[1], $"number {i}"));
        await Sent("abc", "the end", a.InvokeAsync<object?>("Broadcast", group, "the end"));
    }

    static async Task Answers(Place place)
    {
        var a = await place.Connect();
        var b = await place.Connect(null, client =>
        {
            // An official hub server may miss an answer that comes at once: docs/default.md.
            async Task<object?> Later(object? answer) { await Task.Delay(200); return answer is Exception e ? throw e : answer; }
            client.On("question", [typeof(string)], arguments => Later($"answer to {arguments[0]}"));
            client.On("refuses", [typeof(string)], _ => Later(new HubException("no comment")));
        });
        Same($"answer to {Unicode}", await a.InvokeAsync<string>("Ask", b.ConnectionId, "question", Unicode));
        var big = new string('x', 1_000_000);
        Same(true, await a.InvokeAsync<string>("Ask", b.ConnectionId, "question", big) == $"answer to {big}", "an answer of 1 MB is whole:");
        Same(true, (await Fails(a.InvokeAsync<string>("Ask", b.ConnectionId, "refuses", ""))).Message.Contains("no comment"), "the client's error is told:");
        await Fails(a.InvokeAsync<string>("Ask", b.ConnectionId, "unheard of", ""));
        await Fails(a.InvokeAsync<string>("Ask", "nobody", "question", ""));
    }

    static async Task Life(Place place)
    {
        var client = await place.Connect("änna/1");
        var id = client.ConnectionId;
        await client.StopAsync();
        Same(null, await client.Closed);
        var events = await place.Events(id, 2);
        SameList(["connected änna/1 ", "disconnected änna/1 "], events.Select(one => $"{one.Name} {one.User} {one.Error}"));
    }

    static async Task Aborted(Place place)
    {
        var (client, other) = (await place.Connect(), await place.Connect());
        var id = client.ConnectionId;
        await client.SendAsync("AbortMe");
        await client.Closed;
        SameList(["connected", "disconnected"], (await place.Events(id, 2)).Select(one => one.Name));
        Same("unharmed", await other.InvokeAsync<string>("Echo", "unharmed"));
    }
}

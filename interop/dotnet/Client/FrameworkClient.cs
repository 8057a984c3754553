using System.Buffers;
using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Protocol;

/// <summary>
/// A client made of what ASP.NET Core's shared framework has, for machines without the client's package: the framework's own
/// hub protocol and handshake, .NET's HTTP client and its WebSocket.
/// </summary>
sealed class FrameworkClient(string url, IHubProtocol protocol) : IClient, IInvocationBinder
{
    sealed record Call(Type Type, Action<object?> Item, Action<CompletionMessage> End);
    sealed record Negotiation(string? Url, string? AccessToken, string? ConnectionId, string? ConnectionToken, string? Error);
    sealed record Handler(Type[] Parameters, Func<object?[], Task<object?>> Run);

    readonly ClientWebSocket socket = new();
    readonly ConcurrentDictionary<string, Call> calls = new();
    readonly ConcurrentDictionary<string, Handler> handlers = new();
    readonly SemaphoreSlim writing = new(1);
    readonly TaskCompletionSource<Exception?> closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    int lastId;
    bool stopped;

    public static IEnumerable<Kind> Kinds() =>
    [
        new("json WebSockets of the framework", false, url => new FrameworkClient(url, new JsonHubProtocol())),
        new("messagepack WebSockets of the framework", true, url => new FrameworkClient(url, new MessagePackProtocol())),
    ];

    public string ConnectionId { get; private set; } = "";
    public Task<Exception?> Closed => closed.Task;

    public async Task StartAsync()
    {
        using var http = new HttpClient();
        var (at, answer) = (url, await Negotiate(http, url));
        if (answer.Url is { } elsewhere)
        {
            at = elsewhere;
            http.DefaultRequestHeaders.Authorization = new("Bearer", answer.AccessToken);
            if (answer.AccessToken is { } token) socket.Options.SetRequestHeader("Authorization", "Bearer " + token);
            answer = await Negotiate(http, at);
        }
        ConnectionId = answer.ConnectionId!;
        var target = new UriBuilder(at) { Scheme = at.StartsWith("https:") ? "wss" : "ws" };
        target.Query = $"{target.Query.TrimStart('?')}&id={Uri.EscapeDataString(answer.ConnectionToken!)}".TrimStart('&');
        await socket.ConnectAsync(target.Uri, default);
        var hello = new ArrayBufferWriter<byte>();
        HandshakeProtocol.WriteRequestMessage(new HandshakeRequestMessage(protocol.Name, protocol.Version), hello);
        await Write(hello.WrittenMemory);
        var handshake = new TaskCompletionSource();
        _ = Task.Run(() => Read(handshake));
        await handshake.Task;
    }

    static async Task<Negotiation> Negotiate(HttpClient http, string url)
    {
        var at = new UriBuilder(url);
        at.Path = at.Path.TrimEnd('/') + "/negotiate";
        at.Query = $"{at.Query.TrimStart('?')}&negotiateVersion=1".TrimStart('&');
        using var answer = await http.PostAsync(at.Uri, null);
        answer.EnsureSuccessStatusCode();
        var read = (await answer.Content.ReadFromJsonAsync<Negotiation>())!;
        return read.Error is { } error ? throw new HubException(error) : read;
    }

    async Task Read(TaskCompletionSource handshake)
    {
        Exception? why = null;
        var (data, shaken) = (new MemoryStream(), false);
        var buffer = new byte[64 << 10];
        try
        {
            while (true)
            {
                var got = await socket.ReceiveAsync(buffer, default);
                if (got.MessageType == WebSocketMessageType.Close) break;
                data.Write(buffer, 0, got.Count);
                var rest = new ReadOnlySequence<byte>(data.GetBuffer(), 0, (int)data.Length);
                if (!shaken)
                {
                    if (!HandshakeProtocol.TryParseResponseMessage(ref rest, out var response)) continue;
                    if (response.Error is { } error) throw new HubException(error);
                    shaken = true;
                    handshake.TrySetResult();
                }
                while (!rest.IsEmpty && protocol.TryParseMessage(ref rest, this, out var message))
                {
                    if (message is CloseMessage close) why = close.Error is null ? null : new HubException(close.Error);
                    else Take(message);
                }
                var left = rest.ToArray();
                data.SetLength(0);
                data.Write(left);
            }
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", default);
        }
        catch (Exception e)
        {
            if (!stopped) why ??= e;
        }
        why ??= stopped ? null : new HubException("the connection was closed");
        handshake.TrySetException(why ?? new HubException("stopped"));
        foreach (var (id, call) in calls) call.End(CompletionMessage.WithError(id, "the connection has ended"));
        closed.TrySetResult(why);
    }

    void Take(HubMessage message)
    {
        switch (message)
        {
            case StreamItemMessage item when calls.TryGetValue(item.InvocationId!, out var call): call.Item(item.Item); break;
            case CompletionMessage end when calls.TryRemove(end.InvocationId!, out var call): call.End(end); break;
            case InvocationMessage asked: _ = Answer(asked); break;
        }
    }

    async Task Answer(InvocationMessage asked)
    {
        CompletionMessage answer;
        try
        {
            if (!handlers.TryGetValue(asked.Target, out var handler)) throw new HubException("Client didn't provide a result.");
            answer = CompletionMessage.WithResult(asked.InvocationId ?? "", await handler.Run(asked.Arguments));
        }
        catch (Exception e)
        {
            answer = CompletionMessage.WithError(asked.InvocationId ?? "", e.Message);
        }
        if (asked.InvocationId is not null) await Write(protocol.GetMessageBytes(answer));
    }

    async Task Write(ReadOnlyMemory<byte> bytes)
    {
        await writing.WaitAsync();
        try { await socket.SendAsync(bytes, protocol.TransferFormat == Microsoft.AspNetCore.Connections.TransferFormat.Binary ? WebSocketMessageType.Binary : WebSocketMessageType.Text, true, default); }
        finally { writing.Release(); }
    }

    public void On(string method, Type[] parameters, Func<object?[], Task<object?>> handler) => handlers[method] = new(parameters, handler);

    public async Task<T> InvokeAsync<T>(string method, params object?[] arguments)
    {
        var result = new TaskCompletionSource<object?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var id = NextId();
        calls[id] = new(typeof(T), _ => { }, end =>
        {
            if (end.Error is { } error) result.TrySetException(new HubException(error));
            else result.TrySetResult(end.Result);
        });
        var (plain, streams) = Streams(arguments);
        await Write(protocol.GetMessageBytes(new InvocationMessage(id, method, plain, [.. streams.Keys])));
        foreach (var (stream, numbers) in streams) await Upload(stream, numbers);
        return (T)(await result.Task)!;
    }

    public Task SendAsync(string method, params object?[] arguments) => Write(protocol.GetMessageBytes(new InvocationMessage(method, arguments)));

    public async IAsyncEnumerable<T> StreamAsync<T>(string method, object?[] arguments, [EnumeratorCancellation] CancellationToken cancel = default)
    {
        var items = Channel.CreateUnbounded<T>();
        var id = NextId();
        calls[id] = new(typeof(T), item => items.Writer.TryWrite((T)item!), end => items.Writer.TryComplete(end.Error is { } error ? new HubException(error) : null));
        var (plain, streams) = Streams(arguments);
        await Write(protocol.GetMessageBytes(new StreamInvocationMessage(id, method, plain, [.. streams.Keys])));
        foreach (var (stream, numbers) in streams) _ = Upload(stream, numbers);
        using var onCancel = cancel.Register(() => _ = Write(protocol.GetMessageBytes(new CancelInvocationMessage(id))));
        await foreach (var item in items.Reader.ReadAllAsync(cancel)) yield return item;
    }

    string NextId() => Interlocked.Increment(ref lastId).ToString();

    (object?[], Dictionary<string, IAsyncEnumerable<int>>) Streams(object?[] arguments)
    {
        var streams = arguments.OfType<IAsyncEnumerable<int>>().ToDictionary(_ => NextId());
        return (arguments.Where(one => one is not IAsyncEnumerable<int>).ToArray(), streams);
    }

    async Task Upload(string id, IAsyncEnumerable<int> numbers)
    {
        await foreach (var number in numbers) await Write(protocol.GetMessageBytes(new StreamItemMessage(id, number)));
        await Write(protocol.GetMessageBytes(CompletionMessage.Empty(id)));
    }

    public async Task StopAsync()
    {
        stopped = true;
        if (socket.State == WebSocketState.Open) await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", default);
        await closed.Task;
    }

    public async ValueTask DisposeAsync()
    {
        if (!closed.Task.IsCompleted && socket.State != WebSocketState.None) await StopAsync();
        socket.Dispose();
    }

    Type IInvocationBinder.GetReturnType(string id) => calls[id].Type;
    Type IInvocationBinder.GetStreamItemType(string id) => calls[id].Type;
    IReadOnlyList<Type> IInvocationBinder.GetParameterTypes(string method) => handlers.TryGetValue(method, out var handler) ? handler.Parameters : [typeof(object)];
}

#if OFFICIAL
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.AspNetCore.SignalR.Protocol;
using Microsoft.Extensions.DependencyInjection;

/// <summary>The client of the package Microsoft.AspNetCore.SignalR.Client.</summary>
sealed class OfficialClient : IClient
{
    readonly HubConnection connection;
    readonly TaskCompletionSource<Exception?> closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    OfficialClient(string url, HttpTransportType transport, bool binary)
    {
        var builder = new HubConnectionBuilder().WithUrl(url, transport);
        if (binary) builder.Services.AddSingleton<IHubProtocol, MessagePackProtocol>();
        connection = builder.Build();
        connection.Closed += error => { closed.TrySetResult(error); return Task.CompletedTask; };
    }

    public static IEnumerable<Kind> Kinds()
    {
        foreach (var binary in new[] { false, true })
            foreach (var transport in new[] { HttpTransportType.WebSockets, HttpTransportType.ServerSentEvents, HttpTransportType.LongPolling })
                if (!binary || transport != HttpTransportType.ServerSentEvents)
                    yield return new($"{(binary ? "messagepack" : "json")} {transport}", binary, url => new OfficialClient(url, transport, binary));
    }

    public string ConnectionId => connection.ConnectionId ?? "";
    public Task<Exception?> Closed => closed.Task;
    public Task StartAsync() => connection.StartAsync();
    public Task StopAsync() => connection.StopAsync();
    public void On(string method, Type[] parameters, Func<object?[], Task<object?>> handler) =>
        connection.On(method, parameters, static (arguments, state) => ((Func<object?[], Task<object?>>)state)(arguments), handler);
    public async Task<T> InvokeAsync<T>(string method, params object?[] arguments) => (T)(await connection.InvokeCoreAsync(method, typeof(T), arguments))!;
    public Task SendAsync(string method, params object?[] arguments) => connection.SendCoreAsync(method, arguments);
    public IAsyncEnumerable<T> StreamAsync<T>(string method, object?[] arguments, CancellationToken cancel = default) => connection.StreamAsyncCore<T>(method, arguments, cancel);
    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
#endif

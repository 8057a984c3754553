/// <summary>What the cases need of a SignalR client. Handlers get the arguments, and their result answers a question of the hub.</summary>
interface IClient : IAsyncDisposable
{
    string ConnectionId { get; }

    /// <summary>Ends when the connection has ended: with an error, or with null after StopAsync.</summary>
    Task<Exception?> Closed { get; }

    Task StartAsync();
    Task StopAsync();
    void On(string method, Type[] parameters, Func<object?[], Task<object?>> handler);

    /// <summary>An argument that is an IAsyncEnumerable of int is streamed to the hub.</summary>
    Task<T> InvokeAsync<T>(string method, params object?[] arguments);
    Task SendAsync(string method, params object?[] arguments);
    IAsyncEnumerable<T> StreamAsync<T>(string method, object?[] arguments, CancellationToken cancel = default);
}

/// <summary>A kind of client: a name for the lines that are printed, and how to make one for a hub's URL.</summary>
sealed record Kind(string Name, bool Binary, Func<string, IClient> Make);

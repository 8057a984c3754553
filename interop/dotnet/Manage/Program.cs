// The official Management SDK behind a line protocol: one JSON command per line on standard input, one JSON answer per line on
// standard output ({"ok":true,"result":...} or {"ok":false,"error":"Type: text"}).
//
//   dotnet Manage.dll --connection "Endpoint=...;AccessKey=...;Version=1.0;" --hub chat [--transport transient|persistent]
//                     [--app NAME] [--protocols json|messagepack|both]
//
// The first line out is {"ok":true,"result":"ready"}. Commands (op and its fields):
//   all, allExcept(ids), client(id), clients(ids), user(user), users(users), group(group), groups(groups), groupExcept(group,ids)
//     each with method and args                        send
//   join/leave(id,group) leaveAll(id)                  connection groups
//   userJoin(user,group,ttl?) userLeave(user,group) userLeaveAll(user) userInGroup(user,group)
//   exists: connectionExists(id) userExists(user) groupExists(group)   close(id,reason?)
//   negotiate(user?,minutes?)  health   invoke(id,method,args)
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Protocol;
using Microsoft.Azure.SignalR.Management;
using Microsoft.Extensions.Logging;

var opt = args.Chunk(2).ToDictionary(p => p[0].TrimStart('-'), p => p.Length > 1 ? p[1] : "true");
string? Opt(string name) => opt.GetValueOrDefault(name);
var builder = new ServiceManagerBuilder().WithOptions(o =>
{
    o.ConnectionString = Opt("connection")!;
    o.ServiceTransportType = Opt("transport") == "persistent" ? ServiceTransportType.Persistent : ServiceTransportType.Transient;
    if (Opt("app") is { } app) o.ApplicationName = app;
});
builder = Opt("protocols") switch
{
    "messagepack" => builder.WithHubProtocols(new MessagePackProtocol()),
    "both" => builder.AddHubProtocol(new MessagePackProtocol()),
    _ => builder,
};
builder = builder.WithLoggerFactory(LoggerFactory.Create(b => b.AddSimpleConsole(o => o.SingleLine = true)
    .AddConsole(o => o.LogToStandardErrorThreshold = LogLevel.Trace).SetMinimumLevel(Enum.Parse<LogLevel>(Opt("log") ?? "Warning", true))));
using var manager = builder.BuildServiceManager();
ServiceHubContext hub;
try { hub = await manager.CreateHubContextAsync(Opt("hub") ?? "test", default); }
catch (Exception e) { Answer(false, $"{e.GetType().Name}: {e.Message}"); return 1; }
Answer(true, "ready");

while (await Console.In.ReadLineAsync() is { } line)
{
    if (line.Trim().Length == 0) continue;
    try { Answer(true, await Run(JsonNode.Parse(line)!.AsObject())); }
    catch (Exception e) { Answer(false, $"{e.GetType().Name}: {e.Message}"); }
}
await hub.DisposeAsync();
return 0;

async Task<object?> Run(JsonObject c)
{
    string S(string n) => c[n]!.GetValue<string>();
    string? O(string n) => c[n]?.GetValue<string>();
    string[] L(string n) => c[n]!.AsArray().Select(x => x!.GetValue<string>()).ToArray();
    object?[] A() => c["args"]?.AsArray().Select(Plain).ToArray() ?? [];
    Task Send(IClientProxy p) => p.SendCoreAsync(S("method"), A());
    switch (S("op"))
    {
        case "all": await Send(hub.Clients.All); return null;
        case "allExcept": await Send(hub.Clients.AllExcept(L("ids"))); return null;
        case "client": await Send(hub.Clients.Client(S("id"))); return null;
        case "clients": await Send(hub.Clients.Clients(L("ids"))); return null;
        case "user": await Send(hub.Clients.User(S("user"))); return null;
        case "users": await Send(hub.Clients.Users(L("users"))); return null;
        case "group": await Send(hub.Clients.Group(S("group"))); return null;
        case "groups": await Send(hub.Clients.Groups(L("groups"))); return null;
        case "groupExcept": await Send(hub.Clients.GroupExcept(S("group"), L("ids"))); return null;
        case "join": await hub.Groups.AddToGroupAsync(S("id"), S("group")); return null;
        case "leave": await hub.Groups.RemoveFromGroupAsync(S("id"), S("group")); return null;
        case "leaveAll": await hub.Groups.RemoveFromAllGroupsAsync(S("id")); return null;
        case "userJoin":
            if (c["ttl"] is { } ttl) await hub.UserGroups.AddToGroupAsync(S("user"), S("group"), TimeSpan.FromSeconds(ttl.GetValue<int>()));
            else await hub.UserGroups.AddToGroupAsync(S("user"), S("group"));
            return null;
        case "userLeave": await hub.UserGroups.RemoveFromGroupAsync(S("user"), S("group")); return null;
        case "userLeaveAll": await hub.UserGroups.RemoveFromAllGroupsAsync(S("user")); return null;
        case "userInGroup": return await hub.UserGroups.IsUserInGroup(S("user"), S("group"));
        case "connectionExists": return await hub.ClientManager.ConnectionExistsAsync(S("id"));
        case "userExists": return await hub.ClientManager.UserExistsAsync(S("user"));
        case "groupExists": return await hub.ClientManager.GroupExistsAsync(S("group"));
        case "close": await hub.ClientManager.CloseConnectionAsync(S("id"), O("reason")); return null;
        case "health": return await manager.IsServiceHealthy(default);
        case "negotiate":
            var n = await hub.NegotiateAsync(new NegotiationOptions { UserId = O("user"), TokenLifetime = TimeSpan.FromMinutes(c["minutes"]?.GetValue<int>() ?? 60) });
            return new { url = n.Url, accessToken = n.AccessToken };
        case "invoke":
            using (var cts = new CancellationTokenSource(TimeSpan.FromSeconds(10)))
                return await hub.Clients.Client(S("id")).InvokeCoreAsync<object?>(S("method"), A(), cts.Token);
        default: throw new ArgumentException("unknown op");
    }
}

// What each of the SDK's serializers knows; Newtonsoft.Json does not know the nodes of System.Text.Json.
static object? Plain(JsonNode? n) => n switch
{
    null => null,
    JsonValue v when v.TryGetValue<long>(out var i) => i,
    JsonValue v when v.TryGetValue<double>(out var d) => d,
    JsonValue v when v.TryGetValue<bool>(out var b) => b,
    JsonValue v => v.GetValue<string>(),
    JsonArray a => a.Select(Plain).ToArray(),
    JsonObject o => o.ToDictionary(one => one.Key, one => Plain(one.Value)),
    _ => throw new ArgumentException($"cannot send {n.GetType().Name}"),
};

static void Answer(bool ok, object? value) =>
    Console.WriteLine(JsonSerializer.Serialize(ok ? new { ok, result = value } : (object)new { ok, error = value }));

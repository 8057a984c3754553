// The SignalR of ASP.NET Core, in the process of its application: a hub that broadcasts what is posted to /send.
// Keep-alives are off, as with all servers of the report. Everything else is as it comes.
using Microsoft.AspNetCore.SignalR;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Error);
builder.Services.AddSignalR(o => o.KeepAliveInterval = o.ClientTimeoutInterval = TimeSpan.FromMinutes(30));
var app = builder.Build();
app.MapHub<Bench>("/bench");
app.MapPost("/send", async (HttpRequest request, IHubContext<Bench> hub) =>
{
    using var reader = new StreamReader(request.Body);
    await hub.Clients.All.SendAsync("bench", await reader.ReadToEndAsync());
});
app.Run();

sealed class Bench : Hub;

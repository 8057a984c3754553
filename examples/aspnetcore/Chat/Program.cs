using Microsoft.AspNetCore.SignalR;
using Microsoft.Azure.SignalR;

var builder = WebApplication.CreateBuilder(args);
// The connection string is Azure:SignalR:ConnectionString of the configuration.
builder.Services.AddSignalR().AddAzureSignalR(options =>
{
    // Clients move to another server when this one stops, and do not notice.
    options.GracefulShutdown.Mode = GracefulShutdownMode.MigrateClients;
    options.GracefulShutdown.Timeout = TimeSpan.FromSeconds(30);
});
builder.Services.AddHealthChecks();

var app = builder.Build();
app.UseDefaultFiles();
app.UseStaticFiles();
app.MapHealthChecks("/health");
app.MapHub<Chat>("/chat");
app.Run();

public class Chat : Hub
{
    public Task Say(string user, string text) => Clients.All.SendAsync("message", user, text);

    public async Task Join(string room)
    {
        await Groups.AddToGroupAsync(Context.ConnectionId, room);
        await Clients.Group(room).SendAsync("joined", Context.ConnectionId, room);
    }
}

// A .NET client against servers that host TestHub at /test. It prints a line for each case, "ok dotnet NAME" or "FAIL dotnet NAME: why".
//
//   dotnet Client.dll "NAME OF A SERVER" http://127.0.0.1:PORT [NAME URL ...]
//
// The exit code is 1 if a case failed.
var failed = 0;
#if OFFICIAL
var kinds = OfficialClient.Kinds();
#else
var kinds = FrameworkClient.Kinds();
#endif
foreach (var server in args.Chunk(2))
    foreach (var kind in kinds)
        await Task.WhenAll(Cases.All.Select(one => Run($".NET client, {kind.Name}, {server[0]}: {one.Name}", one.Body, new(kind, server[1]))));
return failed == 0 ? 0 : 1;

async Task Run(string name, Func<Place, Task> body, Place place)
{
    try
    {
        await body(place).WaitAsync(TimeSpan.FromSeconds(60));
        Console.WriteLine($"ok dotnet {name}");
    }
    catch (Exception e)
    {
        Interlocked.Increment(ref failed);
        Console.WriteLine($"FAIL dotnet {name}: {e.GetType().Name}: {e.Message.ReplaceLineEndings(" ")}");
    }
    finally
    {
        await place.DisposeAsync();
    }
}

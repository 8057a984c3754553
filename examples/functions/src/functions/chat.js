// A chat in Azure Functions: negotiate, a trigger for what clients call, and groups.
const { app, input, output, trigger } = require('@azure/functions');

const hubName = 'chat';

// The client asks here first. The extension signs the token. A real application takes who is signed in.
const connectionInfo = input.generic({ type: 'signalRConnectionInfo', name: 'connectionInfo', hubName, userId: '{query.user}' });
app.post('negotiate', {
  authLevel: 'anonymous',
  route: 'chat/negotiate',
  extraInputs: [connectionInfo],
  handler: (request, context) => ({ jsonBody: context.extraInputs.get(connectionInfo) }),
});

const signalR = output.generic({ type: 'signalR', name: 'signalR', hubName });

// The extension has checked the signature of the webhook before it calls the handler.
app.generic('join', {
  trigger: trigger.generic({ type: 'signalRTrigger', name: 'call', hubName, category: 'messages', event: 'join', parameterNames: ['group'] }),
  extraOutputs: [signalR],
  handler: (call, context) => {
    const [groupName] = call.Arguments;
    context.extraOutputs.set(signalR, [
      { connectionId: call.ConnectionId, groupName, action: 'add' },
      { groupName, target: 'joined', arguments: [call.UserId, groupName] },
    ]);
  },
});

app.generic('say', {
  trigger: trigger.generic({ type: 'signalRTrigger', name: 'call', hubName, category: 'messages', event: 'say', parameterNames: ['group', 'text'] }),
  extraOutputs: [signalR],
  handler: (call, context) => {
    const [groupName, text] = call.Arguments;
    context.extraOutputs.set(signalR, { groupName, target: 'message', arguments: [call.UserId, text] });
  },
});

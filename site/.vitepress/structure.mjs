// The order of the pages, by what a reader wants to do. Every page of docs/ has a place here: check.mjs looks.
const page = (text, link) => ({ text, link });

export const sidebar = [
  {
    text: 'Start',
    items: [page('In a minute', '/start'), page('When to choose it', '/choose'), page('Install', '/install'), page('How it works', '/how-it-works')],
  },
  {
    text: 'Tutorials',
    items: [
      page('A chat of your own', '/tutorial'),
      page('A live dashboard in Python', '/tutorial-dashboard'),
      page('ASP.NET Core in five minutes', '/default#an-aspnet-core-application-in-five-minutes'),
      page('ASP.NET Core off Azure', '/recipes/aspnetcore'),
      page('Hubs in Go', '/go-hubs'),
      page('Three nodes', '/tutorial-nodes'),
    ],
  },
  {
    text: 'Recipes',
    collapsed: true,
    items: [
      page('All recipes', '/recipes/'),
      page('Express', '/recipes/express'),
      page('FastAPI', '/recipes/fastapi'),
      page('AWS Lambda', '/recipes/lambda'),
      page('ASP.NET Core, compose, CI', '/recipes/aspnetcore'),
      page('Azure Functions', '/recipes/functions'),
      page('A hub in Go', '/recipes/go-hub'),
    ],
  },
  {
    text: 'How-to',
    items: [
      page('Send from any language', '/libraries'),
      page('Webhooks', '/upstream'),
      page('Webhooks that lose nothing', '/deliveries'),
      page('Who is connected', '/presence'),
      page('Sign in with an issuer', '/identity'),
      page('Many nodes', '/cluster'),
      page('Behind a proxy', '/proxies'),
      page('Operate', '/operations'),
      page('Upgrade', '/upgrades'),
      page('Plan capacity', '/capacity'),
      page('Change settings at run time', '/settings'),
      page('The portal', '/portal'),
      page('Use the Azure CLI', '/azure-cli'),
      page('Look inside', '/inspect'),
      page('Trace a message', '/tracing'),
      page('Ask the doctor', '/doctor'),
      page('Inject faults', '/fault-injection'),
      page('Troubleshoot', '/troubleshooting'),
    ],
  },
  {
    text: 'Reference',
    items: [
      page('Configuration', '/configuration'),
      page('Command line', '/cli'),
      page('REST', '/rest'),
      page('Metrics', '/metrics'),
      page('Errors', '/errors'),
      page('Limits', '/limits'),
      page('Compatibility', '/compatibility'),
      page('Benchmark', '/benchmark'),
      page('Glossary', '/glossary'),
    ],
  },
  {
    text: 'Explanation',
    items: [
      page('The order of messages', '/how-it-works#the-order-of-messages'),
      page('What is promised', '/how-it-works#what-is-promised-about-delivery'),
      page('What is lost in which fault', '/how-it-works#what-is-lost-in-which-fault'),
      page('Serverless mode', '/serverless'),
      page('Default mode', '/default'),
      page('Classic mode', '/classic'),
      page('ASP.NET SignalR', '/aspnet'),
    ],
  },
  {
    text: 'Moving',
    items: [
      page('From Azure SignalR Service', '/move#from-azure-signalr-service'),
      page('From the emulator', '/move#from-the-emulator'),
      page('From SignalR with Redis', '/move#from-self-hosted-signalr-with-redis'),
    ],
  },
];

// neighbours says which pages the foot of a page leads to. A page has its place where the sidebar names it whole, or else
// where it first names one of its headings.
const pageOf = entry => entry.link.split('#')[0];
const entries = sidebar.flatMap(part => part.items);
const order = entries.filter((entry, i) => i === entries.findIndex(other => other.link === pageOf(entry)) ||
  !entries.some(other => other.link === pageOf(entry)) && i === entries.findIndex(other => pageOf(other) === pageOf(entry)));

export function neighbours(link) {
  const i = order.findIndex(entry => pageOf(entry) === link);
  return i < 0 ? {} : { prev: order[i - 1] ?? false, next: order[i + 1] ?? false };
}

export const home = {
  icon: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#2f6fd0"/><path d="M9 6v20M23 6v20M9 16h14" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>',
  frontmatter: {
    layout: 'home',
    hero: {
      name: 'hubgate',
      text: 'SignalR on your own machines',
      tagline: 'A gateway compatible with Azure SignalR Service, in all three modes. One program, no database.',
      actions: [
        { theme: 'brand', text: 'Start in a minute', link: '/start' },
        { theme: 'alt', text: 'Move an application', link: '/move' },
        { theme: 'alt', text: 'When to choose it', link: '/choose' },
      ],
    },
    features: [
      { title: 'Your code stays', details: 'Official SignalR clients, AddAzureSignalR(), the Management SDK and Azure Functions work unchanged.', link: '/move' },
      { title: 'From any language', details: 'Send with HTTP and get webhooks: Node.js, Python, Go, Java, .NET, curl.', link: '/libraries' },
      { title: 'Several nodes are one', details: 'Clients and servers reach any node. Nothing else has to run beside them.', link: '/cluster' },
    ],
  },
};

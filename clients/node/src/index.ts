export { Hub, StatusError, parseConnectionString } from './hub.js';
export type { ClientOptions, ConnectionString, HubOptions, Json, Member, Negotiated } from './hub.js';
export { ErrorForClient, fetchHandler, isGenuine, nodeHandler, verify } from './webhook.js';
export type { Handler, HubEvent, Verified, VerifyOptions, WebhookOptions } from './webhook.js';

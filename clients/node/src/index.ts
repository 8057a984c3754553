export { Hub, StatusError, parseConnectionString } from './hub.js';
export type { ClientOptions, ConnectionString, HubOptions, Json, Member, Negotiated } from './hub.js';
export { verify } from './signature.js';
export type { Verified, VerifyOptions } from './signature.js';
export { ErrorForClient, fetchHandler, isGenuine, nodeHandler } from './webhook.js';
export type { Handler, HubEvent, WebhookOptions } from './webhook.js';

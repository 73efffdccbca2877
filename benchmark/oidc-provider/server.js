// npm's oidc-provider as a peer of the token benchmark: client_credentials with JWT access tokens
// (ES256 and RS256, chosen by the resource indicator) or opaque ones, and introspection. Tokens live in
// the library's own in-memory adapter, so nothing here is durable.
//
// Usage: node server.js PORT CLIENTS
// Clients are client-0 … client-(CLIENTS-1); the secret of client-N is "secret-of-bench-client-N".
// Prints one line, `ready PORT`, once the listener accepts; PORT 0 takes a free one.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';

const [port, clientCount] = process.argv.slice(2).map(Number);
if (!Number.isInteger(port) || !Number.isInteger(clientCount)) {
  console.error('usage: node server.js PORT CLIENTS');
  process.exit(2);
}

const SCOPE = 'read';
const LIFETIME_SECONDS = 3600;

/** What each resource indicator makes of an access token; the driver sends `resource=urn:bench:NAME`. */
const resources = {
  'urn:bench:es256': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } },
  'urn:bench:rs256': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } },
  'urn:bench:opaque': { accessTokenFormat: 'opaque' },
};

function privateJwk(type, options, alg) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `bench-${alg}` };
}

const clients = Array.from({ length: clientCount }, (_, n) => ({
  client_id: `client-${n}`,
  client_secret: `secret-of-bench-client-${n}`,
  grant_types: ['client_credentials'],
  response_types: [],
  redirect_uris: [],
  token_endpoint_auth_method: 'client_secret_basic',
}));

const provider = new Provider('http://127.0.0.1', {
  clients,
  jwks: {
    keys: [
      privateJwk('ec', { namedCurve: 'P-256' }, 'ES256'),
      privateJwk('rsa', { modulusLength: 2048 }, 'RS256'),
    ],
  },
  scopes: [SCOPE],
  ttl: { ClientCredentials: LIFETIME_SECONDS },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:bench:opaque',
      getResourceServerInfo: (ctx, indicator) => {
        const form = resources[indicator];
        if (!form) throw new Error(`unknown resource ${indicator}`);
        return { scope: SCOPE, audience: indicator, accessTokenTTL: LIFETIME_SECONDS, ...form };
      },
    },
  },
});

const server = createServer({ keepAlive: true }, provider.callback());
// A connection stays open between two rounds; Node closes idle ones after 5 s by default.
server.keepAliveTimeout = 600_000;
server.listen(port, '127.0.0.1', () => console.log(`ready ${server.address().port}`));

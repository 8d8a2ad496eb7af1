// An OpenID provider for the tests: a certified one, with people who are signed in by their name alone (`login_hint`)
// and agree to everything, but for one who never does. Where it listens it says on its output; it ends with its input.
// Its packages are where the first argument says.
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const packages = createRequire(pathToFileURL(`${process.argv[2]}/package.json`));
const { default: Provider } = await import(pathToFileURL(packages.resolve('oidc-provider')));

const REFUSES = 'nobody';
const key = (type, options) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), use: 'sig' });
const client = (client_id, id_token_signed_response_alg, token_endpoint_auth_method) => ({
  client_id,
  client_secret: token_endpoint_auth_method === 'none' ? undefined : 'a secret: 100% safe',
  redirect_uris: ['https://app.example/signed-in'],
  response_types: ['code'],
  grant_types: ['authorization_code'],
  id_token_signed_response_alg,
  token_endpoint_auth_method,
});

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    client('natter', 'RS256', 'client_secret_basic'),
    client('natter-es', 'ES256', 'client_secret_basic'),
    client('natter-ed', 'EdDSA', 'none'),
  ],
  jwks: {
    keys: [key('rsa', { modulusLength: 2048 }), key('ec', { namedCurve: 'P-256' }), key('ed25519', {})],
  },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
  // As the standard has it: names are told by its own endpoint, and by tokens only where there is no other.
  conformIdTokenClaims: true,
  claims: { openid: ['sub'], profile: ['preferred_username', 'name'], email: ['email', 'email_verified'] },
  pkce: { methods: ['S256'], required: () => true },
  cookies: { keys: ['of a test'] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({
      sub,
      preferred_username: sub,
      name: `${sub} of ${new URL(issuer).hostname}`,
      email: `${sub}@example.org`,
      email_verified: true,
    }),
  }),
  loadExistingGrant: async ({ oidc }) => {
    const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope('openid profile email');
    await grant.save();
    return grant;
  },
});

const answer = provider.callback();
server.on('request', async (request, response) => {
  if (!request.url.startsWith('/interaction/')) {
    answer(request, response);
    return;
  }
  const { params } = await provider.interactionDetails(request, response);
  const result = params.login_hint === REFUSES ? { error: 'access_denied' } : { login: { accountId: params.login_hint } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
});

process.stdin.resume();
process.stdin.on('close', () => process.exit(0));
process.stdout.write(`${issuer}\n`);
// Nobody reads on.
console.log = console.info = console.error;

import { dirname, isAbsolute, join } from 'node:path';
import { load, parseEvents, YAMLException } from 'js-yaml';
import * as v from 'valibot';
import {
  AccessError,
  type Credential,
  readCredential,
  type TlsMaterial,
} from '../connect/credential.ts';
import { check, FieldError, type FieldPath, formatPath } from '../decode.ts';
import { lineOf } from '../manifests/positions.ts';
import { type Access, bearer } from './access.ts';
import { EXEC_VERSIONS, type ExecConfig, ExecCredentials } from './exec-credential.ts';

const text = (what: string) => v.string(`expected ${what}, a string`);
const optional = (what: string) => v.optional(text(what));
/** What client-go knows and podwire does not is refused by name, not passed over. */
const refused = (instead: string) => v.optional(v.never(`not supported; ${instead}`));

const execSchema = v.object({
  apiVersion: v.picklist(EXEC_VERSIONS, `expected "${EXEC_VERSIONS.join('" or "')}"`),
  command: v.pipe(text('a program'), v.nonEmpty('expected a program')),
  args: v.optional(v.nullable(v.array(text('an argument'))), []),
  env: v.optional(v.nullable(v.array(v.object({ name: text('a name'), value: text('a value') })))),
  installHint: optional('a hint'),
  provideClusterInfo: v.optional(v.boolean('expected true or false'), false),
  interactiveMode: v.optional(
    v.picklist(
      ['Never', 'IfAvailable'],
      'expected "Never" or "IfAvailable": nobody is at the terminal',
    ),
  ),
});

const schema = v.object(
  {
    'current-context': optional('a context'),
    clusters: v.optional(
      v.array(
        v.object({
          name: text('a name'),
          cluster: v.object({
            server: text('the URL of an API server'),
            'tls-server-name': optional('a name'),
            'insecure-skip-tls-verify': v.optional(v.boolean('expected true or false'), false),
            'certificate-authority': optional('a file'),
            'certificate-authority-data': optional('base64'),
            'proxy-url': refused('the API server is reached directly'),
          }),
        }),
        'expected a list of clusters',
      ),
      [],
    ),
    users: v.optional(
      v.array(
        v.object({
          name: text('a name'),
          user: v.optional(
            v.object({
              'client-certificate': optional('a file'),
              'client-certificate-data': optional('base64'),
              'client-key': optional('a file'),
              'client-key-data': optional('base64'),
              token: optional('a token'),
              tokenFile: optional('a file'),
              exec: v.optional(execSchema),
              'auth-provider': refused('use exec'),
              username: refused('API servers have no passwords any more'),
              password: refused('API servers have no passwords any more'),
              as: refused('an agent acts as itself'),
            }),
            {},
          ),
        }),
        'expected a list of users',
      ),
      [],
    ),
    contexts: v.optional(
      v.array(
        v.object({
          name: text('a name'),
          context: v.object({ cluster: text('a cluster'), user: v.optional(text('a user'), '') }),
        }),
        'expected a list of contexts',
      ),
      [],
    ),
  },
  'expected a kubeconfig, an object',
);

type Config = v.InferOutput<typeof schema>;
type Cluster = Config['clusters'][number]['cluster'];
type User = NonNullable<Config['users'][number]['user']>;

/**
 * The API server and the user of a kubeconfig's current context. `master`, where given, takes the
 * place of the server's URL, as kube-proxy's flag does. Throws AccessError with file, line and field.
 */
export function kubeconfigAccess(file: string, master?: string): Access {
  const source = readCredential('kubeconfig', { file }).toString();
  try {
    const config = check(schema, load(source));
    return accessOf(config, dirname(file), master);
  } catch (error) {
    if (error instanceof YAMLException) {
      const line = (error.mark?.line ?? 0) + 1;
      throw new AccessError(`${file}:${line}: not YAML: ${error.reason}`);
    }
    if (!(error instanceof FieldError)) throw error;
    const line = lineOf(source, parseEvents(source, {}), 0, error.path);
    // What users have is secret, and not shown where it is wrong.
    const isSecret = error.path[0] === 'users';
    const problem = isSecret ? error.problem.replace(/, got .*$/s, '') : error.problem;
    throw new AccessError(`${file}:${line}: ${formatPath(error.path)}: ${problem}`);
  }
}

/** An API server that asks nobody who they are, such as `kubectl proxy`. Throws AccessError. */
export function anonymousAccess(master: string): Access {
  const server = serverUrl([], master);
  return { server, tls: async () => ({}), authorization: async () => undefined, refused: () => {} };
}

function accessOf(config: Config, directory: string, master: string | undefined): Access {
  const name = config['current-context'] ?? '';
  const at = named(config.contexts, name, ['current-context'], 'a context');
  const { cluster: clusterName, user: userName } = at.item.context;
  const path = ['contexts', at.index, 'context'];
  const cluster = named(config.clusters, clusterName, [...path, 'cluster'], 'a cluster');
  const user =
    userName === '' ? undefined : named(config.users, userName, [...path, 'user'], 'a user');
  return new KubeconfigAccess(
    cluster.item.cluster,
    ['clusters', cluster.index, 'cluster'],
    user?.item.user ?? {},
    ['users', user?.index ?? 0, 'user'],
    directory,
    master,
  );
}

function named<T extends { readonly name: string }>(
  items: readonly T[],
  name: string,
  path: FieldPath,
  what: string,
): { item: T; index: number } {
  const index = items.findIndex((item) => item.name === name);
  const item = items[index];
  if (item !== undefined) return { item, index };
  const known = items.map((each) => `"${each.name}"`).join(', ') || 'none';
  throw new FieldError(path, `expected ${what} that is there (${known}), got "${name}"`);
}

function serverUrl(path: FieldPath, server: string): URL {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url !== undefined && (url.protocol === 'https:' || url.protocol === 'http:')) return url;
  const problem = `expected a URL such as https://10.0.0.1:6443, got "${server}"`;
  throw path.length === 0 ? new AccessError(`master: ${problem}`) : new FieldError(path, problem);
}

class KubeconfigAccess implements Access {
  readonly server: URL;
  readonly #cluster: Cluster;
  readonly #ca: Credential | undefined;
  readonly #cert: Credential | undefined;
  readonly #key: Credential | undefined;
  readonly #token: Credential | undefined;
  readonly #exec: ExecCredentials | undefined;

  constructor(
    cluster: Cluster,
    clusterPath: FieldPath,
    user: User,
    userPath: FieldPath,
    directory: string,
    master: string | undefined,
  ) {
    const given = <T extends object, K extends keyof T & string>(
      from: T,
      path: FieldPath,
      field: K,
    ) => credentialOf(from as Record<string, unknown>, path, field, directory);
    this.server =
      master === undefined
        ? serverUrl([...clusterPath, 'server'], cluster.server)
        : serverUrl([], master);
    this.#cluster = cluster;
    this.#ca = given(cluster, clusterPath, 'certificate-authority');
    this.#cert = given(user, userPath, 'client-certificate');
    this.#key = given(user, userPath, 'client-key');
    if ((this.#cert === undefined) !== (this.#key === undefined)) {
      throw new FieldError(userPath, 'expected a client-certificate and a client-key together');
    }
    // client-go's order: the file is the one that can change.
    this.#token = user.tokenFile
      ? { file: resolve(directory, user.tokenFile) }
      : tokenOf(user.token);
    this.#exec =
      user.exec && new ExecCredentials(execOf(user.exec, cluster, this.server, directory));
  }

  async tls(): Promise<TlsMaterial> {
    const read = (what: string, credential: Credential | undefined) =>
      credential && readCredential(what, credential);
    const own = this.#cert === undefined ? await this.#exec?.get() : undefined;
    const ca = read('certificate-authority', this.#ca);
    const cert = own?.cert ?? read('client-certificate', this.#cert);
    const key = own?.key ?? read('client-key', this.#key);
    const servername = this.#cluster['tls-server-name'];
    return {
      rejectUnauthorized: !this.#cluster['insecure-skip-tls-verify'],
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(servername === undefined ? {} : { servername }),
    };
  }

  async authorization(): Promise<string | undefined> {
    if (this.#token !== undefined) return bearer('token', readCredential('token', this.#token));
    const token = (await this.#exec?.get())?.token;
    return token === undefined ? undefined : bearer('exec: token', token);
  }

  refused(): void {
    this.#exec?.forget();
  }
}

/** A field that is a file, or has its content as base64 beside it; the content goes first. */
function credentialOf(
  from: Readonly<Record<string, unknown>>,
  path: FieldPath,
  field: string,
  directory: string,
): Credential | undefined {
  const [data, file] = [from[`${field}-data`], from[field]];
  if (typeof data === 'string' && data !== '') {
    if (/^[A-Za-z0-9+/\s]+=*\s*$/.test(data)) return { data: Buffer.from(data, 'base64') };
    throw new FieldError([...path, `${field}-data`], 'expected base64');
  }
  return typeof file === 'string' && file !== '' ? { file: resolve(directory, file) } : undefined;
}

function tokenOf(token: string | undefined): Credential | undefined {
  return token ? { data: token } : undefined;
}

/** Files are relative to the kubeconfig. */
function resolve(directory: string, file: string): string {
  return isAbsolute(file) ? file : join(directory, file);
}

function execOf(
  exec: NonNullable<User['exec']>,
  cluster: Cluster,
  server: URL,
  directory: string,
): ExecConfig {
  const { apiVersion, command, args, env, installHint, provideClusterInfo } = exec;
  const hasPath = command.includes('/');
  return {
    apiVersion,
    command: hasPath ? resolve(directory, command) : command,
    args: args ?? [],
    env: Object.fromEntries((env ?? []).map(({ name, value }) => [name, value])),
    ...(installHint === undefined ? {} : { installHint }),
    ...(provideClusterInfo ? { cluster: clusterInfo(cluster, server, directory) } : {}),
  };
}

/** client.authentication.k8s.io Cluster: what a program is told of the server it is asked for. */
function clusterInfo(cluster: Cluster, server: URL, directory: string): Record<string, unknown> {
  const ca = credentialOf(cluster, [], 'certificate-authority', directory);
  const name = cluster['tls-server-name'];
  return {
    server: server.href.replace(/\/$/, ''),
    ...(name === undefined ? {} : { 'tls-server-name': name }),
    ...(cluster['insecure-skip-tls-verify'] ? { 'insecure-skip-tls-verify': true } : {}),
    ...(ca === undefined
      ? {}
      : {
          'certificate-authority-data': Buffer.from(
            readCredential('certificate-authority', ca),
          ).toString('base64'),
        }),
  };
}

import { existsSync, readFileSync } from 'node:fs';
import { tryParseAddr } from '../../../ipaddr/parse-addr.ts';
import type { Token } from '../../corefile/lexer.ts';
import type { Directive } from '../../corefile/parse.ts';
import { parseZones } from '../../corefile/server-key.ts';
import {
  durationBetween,
  expectArgs,
  fail,
  numberBetween,
  oneArg,
  oneOf,
  parseDurationMs,
  tryParseEndpoint,
  zonesOf,
} from '../../corefile/values.ts';
import type { Policy } from '../../forward/policy.ts';
import { readResolvConf } from '../../forward/resolv-conf.ts';
import type { TlsFiles } from '../../forward/stream.ts';
import { DNS_PORT, TLS_PORT, type UpstreamAddress } from '../../forward/upstream-address.ts';
import { canonicalName } from '../../message/name.ts';
import { rcodeNumber } from '../../message/numbers.ts';

const UPSTREAMS_MAX = 15;
const EXPIRE_MS = 10_000;
const READ_TIMEOUT_MS = 2_000;
const FAILS_MAX = 2;
const HEALTH_INTERVAL_MS = 500;
const HOUR_MS = 3_600_000;

/** `forward FROM TO... [{ ... }]` */
export interface ForwardConfig {
  readonly from: readonly string[];
  readonly except: readonly string[];
  readonly upstreams: readonly UpstreamAddress[];
  /** Files whose nameservers are among the upstreams. */
  readonly files: readonly string[];
  readonly policy: Policy;
  readonly forceTcp: boolean;
  readonly expireMs: number;
  readonly readTimeoutMs: number;
  readonly failsMax: number;
  readonly triesMax: number;
  readonly concurrentMax: number;
  readonly health: {
    readonly intervalMs: number;
    readonly recursionDesired: boolean;
    readonly domain: string;
  };
  readonly nextRcodes: ReadonlySet<number>;
  readonly nextOnNodata: boolean;
  readonly failoverRcodes: ReadonlySet<number>;
  readonly failsFastWhenDown: boolean;
  readonly source: string | undefined;
  readonly tls: TlsFiles | undefined;
}

export function parseForwards(directives: readonly Directive[]): readonly ForwardConfig[] {
  return directives.map(parseForward);
}

function parseForward(directive: Directive): ForwardConfig {
  const [from, ...targets] = expectArgs(directive, 2, 1 + UPSTREAMS_MAX);
  let config: ForwardConfig = {
    from: parseZones(from ?? directive.name),
    except: [],
    upstreams: [],
    files: [],
    policy: 'random',
    forceTcp: false,
    expireMs: EXPIRE_MS,
    readTimeoutMs: READ_TIMEOUT_MS,
    failsMax: FAILS_MAX,
    triesMax: 0,
    concurrentMax: 0,
    health: { intervalMs: HEALTH_INTERVAL_MS, recursionDesired: true, domain: '.' },
    nextRcodes: new Set(),
    nextOnNodata: false,
    failoverRcodes: new Set(),
    failsFastWhenDown: false,
    source: undefined,
    tls: undefined,
  };
  let serverName = '';
  for (const line of directive.body ?? []) {
    if (line.name.text === 'tls_servername') serverName = oneArg(line).text;
    else config = { ...config, ...parseOption(line) };
  }
  const found = targets.map((token) => parseTarget(token, serverName));
  const upstreams = found.flatMap((each) => each.upstreams);
  const files = found.flatMap(({ file }) => (file === undefined ? [] : [file]));
  if (upstreams.length > UPSTREAMS_MAX) {
    fail(
      directive.name,
      `forward: expected at most ${UPSTREAMS_MAX} upstreams, got ${upstreams.length}`,
    );
  }
  return { ...config, upstreams, files };
}

function parseOption(line: Directive): Partial<ForwardConfig> {
  const { name } = line;
  switch (name.text) {
    case 'except':
      return { except: zonesOf(expectArgs(line, 1, 1_000), []) };
    case 'force_tcp':
      return { forceTcp: true };
    // UDP is tried first, and TCP after a truncated answer, without being told so.
    case 'prefer_udp':
    case 'max_age':
    case 'max_idle_conns':
      return {};
    case 'expire':
      return { expireMs: durationBetween(oneArg(line), 1, HOUR_MS) };
    case 'read_timeout':
      return { readTimeoutMs: durationBetween(oneArg(line), 1, HOUR_MS) };
    case 'max_fails':
      return { failsMax: numberBetween(oneArg(line), 0, 1_000_000) };
    case 'max_connect_attempts':
      return { triesMax: numberBetween(oneArg(line), 0, 1_000_000) };
    case 'max_concurrent':
      return { concurrentMax: numberBetween(oneArg(line), 0, 1_000_000) };
    case 'policy':
      return { policy: oneOf(oneArg(line), ['random', 'round_robin', 'sequential']) };
    case 'health_check':
      return { health: parseHealthCheck(line) };
    case 'next':
      return { nextRcodes: rcodes(line) };
    case 'next_on_nodata':
      return { nextOnNodata: true };
    case 'failover':
      return { failoverRcodes: rcodes(line) };
    case 'failfast_all_unhealthy_upstreams':
      return { failsFastWhenDown: true };
    case 'source_address': {
      const token = oneArg(line);
      if (tryParseAddr(token.text) === undefined) {
        fail(token, `forward: expected an IP address, got "${token.text}"`);
      }
      return { source: token.text };
    }
    case 'tls':
      return { tls: parseTls(line) };
    case 'resolver':
    case 'doh_method':
      return fail(
        name,
        `forward: ${name.text} is not supported, for upstreams are addresses and not names or URLs`,
      );
    default:
      return fail(name, `forward: unexpected "${name.text}"`);
  }
}

function parseHealthCheck(line: Directive): ForwardConfig['health'] {
  const [interval, ...rest] = expectArgs(line, 1, 4);
  let recursionDesired = true;
  let domain = '.';
  for (let at = 0; at < rest.length; at += 1) {
    const token = rest[at];
    if (token?.text === 'no_rec') recursionDesired = false;
    else if (token?.text === 'domain' && rest[at + 1] !== undefined) {
      at += 1;
      domain = canonicalName(rest[at]?.text ?? '.');
    } else
      fail(token ?? line.name, `forward: expected no_rec or domain NAME, got "${token?.text}"`);
  }
  return {
    intervalMs: interval === undefined ? HEALTH_INTERVAL_MS : parseDurationMs(interval),
    recursionDesired,
    domain,
  };
}

function rcodes(line: Directive): Set<number> {
  return new Set(
    expectArgs(line, 1, 20).map(
      (token) =>
        rcodeNumber(token.text) ?? fail(token, `expected a response code, got "${token.text}"`),
    ),
  );
}

/** `tls [CA]`, `tls CERT KEY` or `tls CERT KEY CA`: files. */
function parseTls(line: Directive): TlsFiles {
  const args = expectArgs(line, 0, 3);
  const read = (token: Token | undefined): Buffer | undefined => {
    if (token === undefined) return undefined;
    try {
      return readFileSync(token.text);
    } catch (error) {
      return fail(token, `forward: ${(error as Error).message}`);
    }
  };
  if (args.length < 2) return { ca: read(args[0]), cert: undefined, key: undefined };
  return { cert: read(args[0]), key: read(args[1]), ca: read(args[2]) };
}

function parseTarget(
  token: Token,
  serverName: string,
): { readonly upstreams: readonly UpstreamAddress[]; readonly file?: string } {
  const scheme = /^([a-z0-9]+):\/\/(.*)$/.exec(token.text);
  const transport = scheme?.[1] ?? 'dns';
  const text = scheme?.[2] ?? token.text;
  if (transport !== 'dns' && transport !== 'tls') {
    fail(token, `forward: ${transport}:// is not supported; UDP, TCP and tls:// are`);
  }
  if (transport === 'tls') {
    // tls://9.9.9.9%dns.quad9.net:853
    const match = /^(.*?)(?:%([^:\]]+))?(:[0-9]+)?$/.exec(text);
    const own = match?.[2] ?? '';
    if (own !== '' && serverName !== '') {
      fail(token, 'forward: expected the server name once, in tls_servername or after "%"');
    }
    const endpoint = tryParseEndpoint(`${match?.[1] ?? ''}${match?.[3] ?? ''}`, TLS_PORT);
    if (endpoint === undefined) fail(token, `forward: expected tls://ADDRESS, got "${token.text}"`);
    return { upstreams: [{ ...endpoint, transport, serverName: own === '' ? serverName : own }] };
  }
  const endpoint = tryParseEndpoint(text, DNS_PORT);
  if (endpoint !== undefined) return { upstreams: [{ ...endpoint, transport, serverName: '' }] };
  if (!text.includes('/') && !existsSync(text)) {
    fail(
      token,
      `forward: expected an address or a resolv.conf, got "${text}": host names are not looked up`,
    );
  }
  let conf: ReturnType<typeof readResolvConf>;
  try {
    conf = readResolvConf(text);
  } catch (error) {
    return fail(token, `forward: ${(error as Error).message}`);
  }
  if (conf.nameservers.length === 0) fail(token, `forward: no nameserver in ${conf.path}`);
  const upstreams = conf.nameservers.map(
    (addr): UpstreamAddress => ({
      addr,
      port: DNS_PORT,
      transport: 'dns',
      serverName: '',
    }),
  );
  return { upstreams, file: text };
}

import { availableParallelism } from 'node:os';
import type { Argv } from 'yargs';
import type { AgentDnsOptions } from '../../../agent/dns.ts';
import { parseAddr } from '../../../ipaddr/parse-addr.ts';
import { Prefix, parsePrefix } from '../../../ipaddr/prefix.ts';

/** The flags of the DNS server. */
export interface DnsArgs {
  corefile: string | undefined;
  'cluster-domain': string | undefined;
  'dns-address': string;
  'dns-port': number;
  'dns-workers': number;
  'dns-ttl': number | undefined;
  'dns-node-local': string[];
  'dns-transfer-to': string[];
  'dns-log-class': string[];
}

const GROUP = 'DNS:';
const DOMAIN = 'cluster.local';
const TTL_SECONDS = 5;
const CLASSES = ['success', 'denial', 'error'] as const;

/** Adds the flags of the DNS server to a command. */
export function withDnsFlags<T>(yargs: Argv<T>): Argv<T & DnsArgs> {
  return yargs
    .option('corefile', {
      type: 'string',
      group: GROUP,
      describe: "CoreDNS's configuration, to forward and all else it says (CoreDNS's -conf)",
    })
    .option('cluster-domain', {
      type: 'string',
      group: GROUP,
      defaultDescription: `"${DOMAIN}"`,
      describe: 'the zone of Service names; a Corefile says it itself',
    })
    .option('dns-ttl', {
      type: 'number',
      group: GROUP,
      defaultDescription: `${TTL_SECONDS}`,
      describe: 'TTL of records in seconds; a Corefile says it itself',
    })
    .option('dns-address', {
      type: 'string',
      default: '::',
      group: GROUP,
      describe: 'address to answer DNS on',
    })
    .option('dns-port', {
      type: 'number',
      default: 53,
      group: GROUP,
      describe: "port to answer DNS on, where a Corefile's server block names none",
    })
    .option('dns-workers', {
      type: 'number',
      default: availableParallelism(),
      group: GROUP,
      describe: 'DNS threads',
    })
    .option('dns-node-local', {
      type: 'string',
      array: true,
      default: [],
      group: GROUP,
      describe: 'addresses to answer DNS on instead, which this node takes over',
    })
    .option('dns-transfer-to', {
      type: 'string',
      array: true,
      default: [],
      group: GROUP,
      describe: 'addresses and networks that may transfer zones; nobody else may',
    })
    .option('dns-log-class', {
      choices: CLASSES,
      array: true,
      default: [] as string[],
      group: GROUP,
      describe:
        'answers of a Corefile to write to the debug log; slower, for no thread answers alone',
    });
}

/** What the flags mean. Throws an Error that names the flag, its value and what was expected. */
export function dnsOptions(args: DnsArgs): AgentDnsOptions {
  const { corefile } = args;
  if (corefile === '') throw new Error('--corefile: expected a file, got ""');
  if (corefile !== undefined) {
    for (const flag of ['cluster-domain', 'dns-ttl'] as const) {
      if (args[flag] === undefined) continue;
      throw new Error(`--${flag}: expected no such flag beside --corefile, which says it itself`);
    }
  } else if (args['dns-log-class'].length > 0) {
    throw new Error('--dns-log-class: expected it beside --corefile only');
  }
  const ttlSeconds = args['dns-ttl'] ?? TTL_SECONDS;
  checkRange('dns-port', args['dns-port'], 0, 65_535);
  checkRange('dns-workers', args['dns-workers'], 1, 256);
  checkRange('dns-ttl', ttlSeconds, 0, 3600);
  return {
    ...(corefile === undefined ? {} : { corefile }),
    clusterDomain: args['cluster-domain'] ?? DOMAIN,
    ttlSeconds,
    address: args['dns-address'],
    port: args['dns-port'],
    workers: args['dns-workers'],
    nodeLocal: parseEach('dns-node-local', args, parseAddr),
    transferTo: parseEach('dns-transfer-to', args, parseClient),
    logClasses: new Set(CLASSES.filter((each) => args['dns-log-class'].includes(each))),
  };
}

/** Reads the values of a flag. Throws an Error that names it. */
function parseEach<T>(
  flag: 'dns-node-local' | 'dns-transfer-to',
  args: DnsArgs,
  parse: (text: string) => T,
): T[] {
  return args[flag].map((text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new Error(`--${flag}: ${(error as Error).message}`, { cause: error });
    }
  });
}

/** An address alone is a network of one. */
function parseClient(text: string): Prefix {
  if (text.includes('/')) return parsePrefix(text).masked();
  const addr = parseAddr(text);
  return Prefix.of(addr, addr.bits);
}

/** Throws an Error unless the flag has a whole number in the range. */
export function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new Error(`--${name}: expected a whole number from ${min} to ${max}, got ${value}`);
}

import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { nameBytes, type ResourceRecord } from '../../message/message.ts';
import { zoneOf } from '../../message/name.ts';
import { CLASS_IN, RCODE, TYPE } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import type { Environment, Next, Plugin, Query, Reply } from '../plugin.ts';
import { answer } from '../reply.ts';
import { type HostsConfig, parseHostsConfig } from './config.ts';
import { type HostsTable, lookUpHost, parseHosts } from './table.ts';

/** `hosts`: A, AAAA and PTR from a hosts file and from lines in the Corefile. */
export const hosts = definePlugin<HostsConfig>({
  name: 'hosts',
  parse: parseHostsConfig,
  says: ({ file, inline, zones, fallthrough }) => [
    `answers A, AAAA and PTR from ${file} and ${inline.lines} lines here, below ${zones.join(' ')}`,
    fallthrough === undefined
      ? 'SERVFAIL for names that are not there, for there is no fallthrough'
      : `leaves names that are not there to the next plugin, below ${fallthrough.join(' ')}`,
  ],
  create: (config, environment) => new Hosts(config, environment),
});

class Hosts implements Plugin {
  readonly name = 'hosts';
  readonly #config: HostsConfig;
  readonly #environment: Environment;
  #file: HostsTable = parseHosts('');
  #version = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(config: HostsConfig, environment: Environment) {
    this.#config = config;
    this.#environment = environment;
  }

  async start(): Promise<void> {
    await this.#read();
    const { reloadMs } = this.#config;
    if (reloadMs > 0) this.#timer = setInterval(() => void this.#read(), reloadMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async handle(query: Query, next: Next): Promise<Reply | undefined> {
    const { zones, fallthrough } = this.#config;
    const { question } = query.request;
    const zone = question.class === CLASS_IN ? zoneOf(query.name, zones) : undefined;
    const mayFallThrough = zoneOf(query.name, fallthrough ?? []) !== undefined;
    const isReverse = zone === undefined && question.type === TYPE.PTR && this.#config.hasReverse;
    // Addresses of the zone lead back to its names, whatever zone their reverse names are in.
    if (zone === undefined && !isReverse) return await next(query);
    const found = this.#records(query);
    if (found !== undefined && (found.length > 0 || !this.#config.fallsThroughUnsupported)) {
      const reply = answer(query, this.name, RCODE.NOERROR, { aa: true, answers: found });
      return { ...reply, isLive: true };
    }
    if (mayFallThrough || isReverse) return await next(query);
    return answer(query, this.name, RCODE.SERVFAIL);
  }

  /** The records; none for another type at a name that is there, undefined when it is not. */
  #records(query: Query): ResourceRecord[] | undefined {
    const { question } = query.request;
    const record = (rdata: Uint8Array): ResourceRecord => ({
      ...question,
      ttl: this.#config.ttlSeconds,
      rdata,
    });
    if (question.type === TYPE.PTR && this.#config.hasReverse) {
      const names = this.#tables().flatMap((table) => table.names.get(query.name) ?? []);
      if (names.length > 0) return [...new Set(names)].map((name) => record(nameBytes(name)));
    }
    const tables = this.#tables().map((table) => lookUpHost(table, query.name));
    const addresses = tables.find((list) => list !== undefined);
    if (addresses === undefined) return undefined;
    const family = question.type === TYPE.A ? 4 : question.type === TYPE.AAAA ? 6 : 0;
    return addresses.filter((addr) => addr.family === family).map((addr) => record(addr.toBytes()));
  }

  /** Lines in the Corefile go before those of the file. */
  #tables(): HostsTable[] {
    return [this.#config.inline, this.#file];
  }

  async #read(): Promise<void> {
    const { file, inline } = this.#config;
    const { metrics, log } = this.#environment;
    try {
      const { mtimeMs, size, ino } = statSync(file);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version === this.#version) return;
      this.#file = parseHosts(await readFile(file, 'utf8'));
      this.#version = version;
    } catch (error) {
      // Gone: the lines in the Corefile are what there is until it comes back.
      if (this.#version !== '')
        log.warn({ file, error: (error as Error).message }, 'hosts file gone');
      this.#file = parseHosts('');
      this.#version = '';
    }
    metrics.set('coredns_hosts_entries', {}, this.#file.lines + inline.lines);
    metrics.set('coredns_hosts_reload_timestamp_seconds', {}, this.#environment.now() / 1000);
  }
}

import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../sys/atomic-file.ts';
import { Fields, isObject } from '../protocol/fields.ts';
import type { Attachment } from '../protocol/plugin.ts';

/** What is remembered of an ADD until its DEL, in the format of the Go library. */
export interface CachedAttachment extends Attachment {
  readonly network: string;
  readonly netns: string;
  readonly args: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** The result as the last plugin printed it. */
  readonly result: Readonly<Record<string, unknown>>;
}

/** The results of attachments, one file each: `results/<network>-<container>-<interface>`. */
export class ResultCache {
  readonly #directory: string;

  /** By default the library's own, /var/lib/cni. */
  constructor(cacheDir: string) {
    this.#directory = join(cacheDir, 'results');
  }

  /** Stores an attachment; `configText` is the network's configuration. */
  put(attachment: CachedAttachment, configText: string): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const { network, containerId, ifName, netns, args, capabilities, result } = attachment;
    const value = {
      kind: 'cniCacheV1',
      containerId,
      config: Buffer.from(configText).toString('base64'),
      ifName,
      networkName: network,
      netns,
      ...(args === '' ? {} : { cniArgs: args.split(';').map((pair) => pair.split('=')) }),
      ...(Object.keys(capabilities).length === 0 ? {} : { capabilityArgs: capabilities }),
      result,
    };
    writeFileAtomic(this.#path(network, attachment), JSON.stringify(value), 0o600);
  }

  /** Undefined where there is none, or the file is torn. */
  get(network: string, attachment: Attachment): CachedAttachment | undefined {
    return read(this.#path(network, attachment));
  }

  remove(network: string, attachment: Attachment): void {
    rmSync(this.#path(network, attachment), { force: true });
  }

  /** All attachments of a network. */
  list(network: string): CachedAttachment[] {
    let files: string[];
    try {
      files = readdirSync(this.#directory);
    } catch {
      return [];
    }
    return files
      .map((file) => read(join(this.#directory, file)))
      .filter((each) => each !== undefined)
      .filter((each) => each.network === network);
  }

  #path(network: string, { containerId, ifName }: Attachment): string {
    return join(this.#directory, `${network}-${containerId}-${ifName}`);
  }
}

function read(path: string): CachedAttachment | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (!isObject(value)) return undefined;
    const fields = new Fields(value);
    return {
      network: fields.string('networkName') ?? '',
      containerId: fields.string('containerId') ?? '',
      ifName: fields.string('ifName') ?? '',
      netns: fields.string('netns') ?? '',
      args: fields
        .list('cniArgs')
        .map((pair) => (Array.isArray(pair) ? pair.join('=') : ''))
        .join(';'),
      capabilities: fields.object('capabilityArgs')?.raw ?? {},
      result: fields.object('result')?.raw ?? {},
    };
  } catch {
    return undefined;
  }
}

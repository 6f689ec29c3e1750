import type { Verb } from '../protocol/environment.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import { execPlugin, findPlugin } from '../protocol/exec.ts';
import { type Fields, isObject } from '../protocol/fields.ts';
import type { Attachment } from '../protocol/plugin.ts';
import { atLeast } from '../protocol/version.ts';
import { ResultCache } from './cache.ts';
import type { NetworkList } from './conflist.ts';

/** Where a runner finds plugins and keeps results. */
export interface RunnerOptions {
  /** Directories of plugins, as in CNI_PATH. */
  readonly path: readonly string[];
  /** Where results are kept between ADD and DEL; the Go library's is /var/lib/cni. */
  readonly cacheDir: string;
}

/** One container's interface on a network. */
export interface AttachmentRequest extends Attachment {
  /** Path of the network namespace; may be empty or gone on DEL. */
  readonly netns: string;
  /** CNI_ARGS. */
  readonly args?: string;
  /** Values for the capabilities plugins declare, such as `{portMappings: [...]}`. */
  readonly capabilities?: Readonly<Record<string, unknown>>;
}

/**
 * The runtime's side of CNI: calls the plugins of a network in order, hands each the result of the
 * one before, and remembers the last for CHECK and DEL (CNI specification, section 3).
 */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #cache: ResultCache;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#cache = new ResultCache(options.cacheDir);
  }

  /** Attaches a container and gives the last plugin's result. Throws CniError. */
  add(list: NetworkList, request: AttachmentRequest): Readonly<Record<string, unknown>> {
    let result: Readonly<Record<string, unknown>> | undefined;
    for (const plugin of list.plugins) {
      const output = this.#call(list, plugin, 'ADD', request, result);
      result = parseResult(output, plugin.string('type') ?? '');
    }
    const last = result ?? {};
    const { args = '', capabilities = {} } = request;
    this.#cache.put(
      { ...request, network: list.name, args, capabilities, result: last },
      list.text,
    );
    return last;
  }

  /**
   * Detaches, the last plugin first. All plugins are called even when one fails, so that one
   * failure does not leak what the others hold; the first error is thrown then.
   */
  del(list: NetworkList, request: AttachmentRequest): void {
    const cached = this.#cache.get(list.name, request);
    const full = { ...cached, ...request };
    const previous = atLeast(list.version, '0.4.0') ? cached?.result : undefined;
    let failure: unknown;
    for (const plugin of [...list.plugins].reverse()) {
      try {
        this.#call(list, plugin, 'DEL', full, previous);
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    this.#cache.remove(list.name, request);
  }

  /** Checks an attachment against the result of its ADD. Throws CniError. */
  check(list: NetworkList, request: AttachmentRequest): void {
    if (!atLeast(list.version, '0.4.0')) {
      throw new CniError(
        CNI_CODE.incompatibleVersion,
        `configuration version "${list.version}" does not support CHECK`,
      );
    }
    if (list.disableCheck) return;
    const cached = this.#cache.get(list.name, request);
    if (cached === undefined) {
      throw new CniError(
        CNI_CODE.unknownContainer,
        'no cached result: the container was never added',
      );
    }
    for (const plugin of list.plugins) {
      this.#call(list, plugin, 'CHECK', { ...cached, ...request }, cached.result);
    }
  }

  /** Removes all attachments of the network but those in `valid`. Throws the first error. */
  gc(list: NetworkList, valid: readonly Attachment[]): void {
    if (list.disableGC) return;
    let failure: unknown;
    const attempt = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        failure ??= error;
      }
    };
    for (const cached of this.#cache.list(list.name)) {
      const keep = valid.some(
        (each) => each.containerId === cached.containerId && each.ifName === cached.ifName,
      );
      if (!keep) attempt(() => this.del(list, cached));
    }
    if (atLeast(list.version, '1.1.0')) {
      const attachments = valid.map(({ containerId: containerID, ifName: ifname }) => ({
        containerID,
        ifname,
      }));
      const extra = {
        'cni.dev/valid-attachments': attachments,
        'cni.dev/attachments': attachments,
      };
      for (const plugin of list.plugins) {
        attempt(() => this.#call(list, plugin, 'GC', undefined, undefined, extra));
      }
    }
    if (failure !== undefined) throw failure;
  }

  #call(
    list: NetworkList,
    plugin: Fields,
    verb: Verb,
    request: AttachmentRequest | undefined,
    prevResult: Readonly<Record<string, unknown>> | undefined,
    extra: Readonly<Record<string, unknown>> = {},
  ): string {
    const { path } = this.#options;
    const runtimeConfig = capabilitiesOf(plugin, request?.capabilities ?? {});
    const config = {
      ...plugin.raw,
      ...extra,
      cniVersion: list.version,
      name: list.name,
      ...(Object.keys(runtimeConfig).length === 0 ? {} : { runtimeConfig }),
      ...(prevResult === undefined ? {} : { prevResult }),
    };
    const env = {
      ...process.env,
      CNI_COMMAND: verb,
      CNI_PATH: path.join(':'),
      CNI_CONTAINERID: request?.containerId,
      CNI_NETNS: request?.netns,
      CNI_IFNAME: request?.ifName,
      CNI_ARGS: request?.args,
    };
    return execPlugin(findPlugin(plugin.string('type') ?? '', path), env, JSON.stringify(config));
  }
}

/** What the plugin declares it understands, of what the runtime has to say. */
function capabilitiesOf(
  plugin: Fields,
  values: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const declared = plugin.object('capabilities')?.raw ?? {};
  return Object.fromEntries(Object.entries(values).filter(([name]) => declared[name] === true));
}

function parseResult(output: string, type: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(output);
  } catch {
    value = undefined;
  }
  if (isObject(value)) return value;
  const text = `plugin ${type} gave no JSON object: ${output.slice(0, 200)}`;
  throw new CniError(CNI_CODE.decode, text);
}

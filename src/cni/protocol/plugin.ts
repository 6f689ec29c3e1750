import type { NetworkConfig } from './config.ts';
import type { Environment } from './environment.ts';
import type { Result } from './result.ts';

/** Everything one call of a plugin is about. */
export interface Call {
  readonly environment: Environment;
  readonly config: NetworkConfig;
  /** The environment as it came, for plugins that are executed in turn. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** IPAM plugins that are called in this process instead of being executed, by type. */
  readonly inProcess: ReadonlyMap<string, Plugin>;
}

/**
 * A CNI plugin. Verbs are synchronous, for a call is one process, and throw CniError; whatever a
 * verb made before it threw is gone again when the error arrives.
 */
export interface Plugin {
  /** The file name of the executable. */
  readonly type: string;
  /** One line for people who run it by hand. */
  readonly about: string;
  add(call: Call): Result;
  /** Success also when there is nothing left to remove. */
  del(call: Call): void;
  check(call: Call): void;
  /** Removes what belongs to no attachment in `valid`. */
  gc?(call: Call, valid: readonly Attachment[]): void;
  /** Throws with code 50 or 51 when ADD can't be served now. */
  status?(call: Call): void;
}

/** What GC keeps: a container's interface. */
export interface Attachment {
  readonly containerId: string;
  readonly ifName: string;
}

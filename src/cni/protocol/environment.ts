import { CNI_CODE, CniError } from './error.ts';
import { IDENTIFIER } from './identifier.ts';

/** The verbs that act on a configuration. VERSION is answered before. */
export const VERBS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'] as const;

export type Verb = (typeof VERBS)[number];

/** What the runtime says in the environment; a parameter that a verb has no use for is empty. */
export interface Environment {
  readonly verb: Verb;
  readonly containerId: string;
  /** Path of the pod's network namespace; on DEL it may be empty or gone. */
  readonly netns: string;
  /** The interface's name in the pod. */
  readonly ifName: string;
  /** CNI_ARGS as it came. */
  readonly args: string;
  /** Directories that hold plugins. */
  readonly path: readonly string[];
  /** The check that the pod's namespace is not the plugin's own is off. */
  readonly netnsOverride: boolean;
}

const REQUIRED: Readonly<Record<Verb, readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_PATH'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
  GC: ['CNI_PATH'],
  STATUS: ['CNI_PATH'],
};

const IFNAME_BYTES_MAX = 15; // IFNAMSIZ - 1

/** Reads and checks the CNI_* variables. Throws CniError of code 4. */
export function parseEnvironment(env: Readonly<Record<string, string | undefined>>): Environment {
  const command = env.CNI_COMMAND ?? '';
  const verb = VERBS.find((each) => each === command);
  if (verb === undefined) throw invalid(`unknown CNI_COMMAND: ${command}`);
  const required = REQUIRED[verb];
  const containerId = env.CNI_CONTAINERID ?? '';
  if (required.includes('CNI_CONTAINERID') && containerId !== '') checkContainerId(containerId);
  const ifName = env.CNI_IFNAME ?? '';
  if (required.includes('CNI_IFNAME') && ifName !== '') checkIfName(ifName);
  const missing = required.filter((name) => !env[name]);
  if (missing.length > 0) throw invalid(`required env variables [${missing.join(',')}] missing`);
  return {
    verb,
    containerId,
    netns: env.CNI_NETNS ?? '',
    ifName,
    args: env.CNI_ARGS ?? '',
    path: (env.CNI_PATH ?? '').split(':').filter((directory) => directory !== ''),
    netnsOverride: /^(1|true)$/i.test(env.CNI_NETNS_OVERRIDE ?? ''),
  };
}

/** Checks a container's id. Throws CniError of code 4. */
export function checkContainerId(id: string): void {
  if (!IDENTIFIER.test(id)) throw invalid('invalid characters in containerID', id);
}

/** Checks the name of an interface. Throws CniError of code 4. */
export function checkIfName(name: string): void {
  if (name === '') throw invalid('interface name is empty');
  // Bytes are what the kernel counts.
  if (Buffer.byteLength(name) > IFNAME_BYTES_MAX) {
    throw invalid(
      'interface name is too long',
      `interface name should be less than ${IFNAME_BYTES_MAX + 1} characters`,
    );
  }
  if (name === '.' || name === '..') throw invalid('interface name is . or ..', name);
  if (/[/:\s]/.test(name)) {
    throw invalid('interface name contains / or : or whitespace characters', name);
  }
}

function invalid(message: string, details = ''): CniError {
  return new CniError(CNI_CODE.invalidEnvironment, message, details);
}

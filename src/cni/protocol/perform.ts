import { Netns } from '../../sys/netns.ts';
import { parseConfig } from './config.ts';
import { type Environment, parseEnvironment } from './environment.ts';
import { CNI_CODE, CniError } from './error.ts';
import type { Fields } from './fields.ts';
import type { Attachment, Call, Plugin } from './plugin.ts';
import { encodeResult } from './result-encode.ts';

/** A call as a runtime makes it: its environment, and then what it writes to stdin. */
export interface CallInput {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Gives all of stdin; not asked for before the environment is found to be right. */
  readonly readStdin: () => string;
  /** IPAM plugins to call in this process instead of executing them, by type. */
  readonly inProcess: ReadonlyMap<string, Plugin>;
}

/** Reads a call. Throws CniError. */
export function parseCall({ env, readStdin, inProcess }: CallInput): Call {
  const environment = parseEnvironment(env);
  let stdin: string;
  try {
    stdin = readStdin();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CniError(CNI_CODE.io, `error reading from stdin: ${why}`);
  }
  return { environment, config: parseConfig(stdin, environment.verb), env, inProcess };
}

/**
 * Does what the call asks of the plugin and gives the result to print: a JSON value for ADD,
 * nothing for the other verbs. Neither stdin nor stdout nor the exit status are touched, so a process
 * that stays can call it too. Throws CniError or what the plugin threw (`toCniError`).
 */
export function perform(plugin: Plugin, call: Call): Record<string, unknown> | undefined {
  const { environment, config } = call;
  switch (environment.verb) {
    case 'ADD':
      checkNetns(environment);
      return add(plugin, call);
    case 'DEL':
      checkNetns(environment);
      plugin.del(call);
      return undefined;
    case 'CHECK':
      plugin.check(call);
      return undefined;
    case 'GC':
      plugin.gc?.(call, validAttachments(config.fields));
      return undefined;
    case 'STATUS':
      plugin.status?.(call);
      return undefined;
  }
}

function add(plugin: Plugin, call: Call): Record<string, unknown> {
  using undo = new DisposableStack();
  const result = plugin.add(call);
  // Not every version can tell of every attachment, and one nobody is told of has to go.
  undo.defer(() => plugin.del(call));
  const encoded = encodeResult(result, call.config.version);
  undo.move();
  return encoded;
}

/** A pod's namespace that is the plugin's own would wire the host to itself. */
function checkNetns({ netns, netnsOverride }: Environment): void {
  if (netns === '' || netnsOverride) return;
  try {
    using pod = Netns.open(netns);
    using own = Netns.current();
    if (pod.inode !== own.inode) return;
  } catch {
    // What is wrong with the path is the plugin's to judge: DEL takes it, ADD does not.
    return;
  }
  throw new CniError(
    CNI_CODE.invalidNetns,
    "plugin's netns and netns from CNI_NETNS should not be the same",
    netns,
  );
}

/**
 * What GC has to keep. A runtime that says nothing has nothing. Early texts of the specification
 * called the key `cni.dev/attachments`, and who still says that must not be taken to have said nothing.
 */
function validAttachments(fields: Fields): Attachment[] {
  const key = ['cni.dev/valid-attachments', 'cni.dev/attachments'].find(
    (each) => fields.value(each) !== undefined,
  );
  if (key === undefined) return [];
  return fields.objects(key).map((item) => {
    const containerId = item.string('containerID') ?? '';
    const ifName = item.string('ifname') ?? '';
    // What is not understood here would be removed below.
    if (containerId === '') throw item.wrong('containerID', 'the id of a container', '');
    if (ifName === '') throw item.wrong('ifname', 'the name of an interface', '');
    return { containerId, ifName };
  });
}

import { Netns } from '../../sys/netns.ts';
import { type NetworkConfig, parseConfig } from './config.ts';
import { type Environment, parseEnvironment } from './environment.ts';
import { CNI_CODE, CniError, toCniError } from './error.ts';
import type { Attachment, Call, Plugin } from './plugin.ts';
import { encodeResult } from './result.ts';
import { atLeast, NEWEST_VERSION, SPEC_VERSIONS } from './version.ts';

/** What a process gives a plugin. */
export interface PluginIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads all of stdin; may throw. */
  readonly readStdin: () => string;
  readonly writeStdout: (text: string) => void;
  readonly writeStderr: (text: string) => void;
  readonly inProcess: ReadonlyMap<string, Plugin>;
}

/**
 * Runs one call of a plugin as the runtime asks for it in the environment and on stdin, answers on
 * stdout and gives the exit status (CNI specification, section 2).
 */
export function runPlugin(plugin: Plugin, io: PluginIo): number {
  const { env } = io;
  if (!env.CNI_COMMAND) {
    io.writeStderr(
      `${plugin.about}\nCNI protocol versions supported: ${SPEC_VERSIONS.join(', ')}\n`,
    );
    return 0;
  }
  try {
    if (env.CNI_COMMAND === 'VERSION') {
      const answer = { cniVersion: NEWEST_VERSION, supportedVersions: SPEC_VERSIONS };
      io.writeStdout(`${JSON.stringify(answer)}\n`);
      return 0;
    }
    io.writeStdout(dispatch(plugin, io));
    return 0;
  } catch (error) {
    io.writeStdout(`${toCniError(error).toJson()}\n`);
    return 1;
  }
}

/** Gives what goes to stdout: a result for ADD, nothing for the others. */
function dispatch(plugin: Plugin, io: PluginIo): string {
  const environment = parseEnvironment(io.env);
  let stdin: string;
  try {
    stdin = io.readStdin();
  } catch (error) {
    throw new CniError(CNI_CODE.io, `error reading from stdin: ${String(error)}`);
  }
  const config = parseConfig(stdin);
  const call: Call = { environment, config, env: io.env, inProcess: io.inProcess };
  switch (environment.verb) {
    case 'ADD':
      checkNetns(environment);
      return `${JSON.stringify(encodeResult(plugin.add(call), config.version), undefined, 4)}\n`;
    case 'DEL':
      checkNetns(environment);
      plugin.del(call);
      return '';
    case 'CHECK':
      checkAllowed(config, 'CHECK', '0.4.0');
      plugin.check(call);
      return '';
    case 'GC':
      checkAllowed(config, 'GC', '1.1.0');
      plugin.gc?.(call, validAttachments(config));
      return '';
    case 'STATUS':
      checkAllowed(config, 'STATUS', '1.1.0');
      plugin.status?.(call);
      return '';
  }
}

function checkAllowed(config: NetworkConfig, verb: string, since: '0.4.0' | '1.1.0'): void {
  if (atLeast(config.version, since)) return;
  throw new CniError(CNI_CODE.incompatibleVersion, `config version does not allow ${verb}`);
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

function validAttachments(config: NetworkConfig): Attachment[] {
  return config.fields.objects('cni.dev/valid-attachments').map((item) => ({
    containerId: item.string('containerID') ?? '',
    ifName: item.string('ifname') ?? '',
  }));
}

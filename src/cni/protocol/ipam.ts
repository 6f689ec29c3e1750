import { parseArgs } from './args.ts';
import { CNI_CODE, CniError } from './error.ts';
import type { Fields } from './fields.ts';
import type { Call } from './plugin.ts';
import { atLeast, type SpecVersion } from './version.ts';

/*
 * What IPAM plugins have in common. They are handed the whole configuration of the plugin that asks
 * them, and their own part of it is `ipam`.
 */

/** The object `ipam`. Throws CniError without one. */
export function ipamFields({ config }: Call): Fields {
  const ipam = config.fields.object('ipam');
  if (ipam !== undefined) return ipam;
  throw new CniError(CNI_CODE.invalidConfig, "IPAM config missing 'ipam' key");
}

/** Addresses somebody asks for by name, as they are written, by where it says so. */
export interface RequestedIps {
  /** `IP` of CNI_ARGS, which commas may be in. */
  readonly env: string | undefined;
  /** `GATEWAY` of CNI_ARGS, likewise. */
  readonly envGateway: string | undefined;
  /** `args.cni.ips`. */
  readonly args: readonly string[];
  /** `runtimeConfig.ips`. */
  readonly runtime: readonly string[];
}

/** Reads all there is about addresses beside `ipam`. Throws CniError. */
export function requestedIps({ environment, config: { fields } }: Call): RequestedIps {
  // The plugin that wires the pod may be meant by the MAC address.
  const env = parseArgs(environment.args, ['IP', 'GATEWAY', 'MAC']);
  return {
    env: env.get('IP') || undefined,
    envGateway: env.get('GATEWAY') || undefined,
    args: fields.object('args')?.object('cni')?.strings('ips') ?? [],
    runtime: fields.object('runtimeConfig')?.strings('ips') ?? [],
  };
}

/**
 * Before 0.3.0 a result has no room for a second address of a family. Throws CniError when two of
 * `families` are the same.
 */
export function checkOnePerFamily(version: SpecVersion, families: readonly (4 | 6)[]): void {
  if (atLeast(version, '0.3.0') || new Set(families).size === families.length) return;
  throw new CniError(
    CNI_CODE.invalidConfig,
    `CNI version ${version} does not support more than 1 address per family`,
  );
}

import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkAdd, linkByName, linkDel, linkSet } from '../../netlink/route/link.ts';
import type { Netns } from '../../sys/netns.ts';
import { mustFind } from '../pod-interface/describe.ts';
import { fnv1a } from '../pod-interface/hash.ts';
import type { Environment } from '../protocol/environment.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { SublinkConfig } from './config.ts';

/**
 * Makes the pod's interface on `master`, which is in the namespace of `below`. Nothing of it is left
 * when it throws.
 */
export function makeSublink(
  below: RouteConnection,
  pod: RouteConnection,
  podNetns: Netns,
  master: Link,
  environment: Environment,
  config: SublinkConfig,
): Link {
  const { ifName } = environment;
  const { kind } = config.settings;
  if (linkByName(pod, ifName) !== undefined) {
    throw new CniError(
      CNI_CODE.internal,
      `container interface name provided (${ifName}) already exists`,
    );
  }
  const { mtu, mac } = config;
  if (mtu !== undefined && mtu > master.mtu) {
    const text = `invalid MTU ${mtu}, must be [0, master MTU(${master.mtu})]`;
    throw new CniError(CNI_CODE.invalidConfig, text);
  }
  const name = temporaryName(environment);
  delByName(pod, name);
  const common = { name, linkIndex: master.index, netnsFd: podNetns.fd, mtu, mac };
  try {
    linkAdd(below, { ...common, ...config.settings });
  } catch (error) {
    throw failed(`create ${kind}`, error);
  }
  try {
    const { index } = mustFind(pod, name);
    linkSet(pod, index, { name: ifName });
    return mustFind(pod, ifName);
  } catch (error) {
    delByName(pod, name);
    throw failed(`rename ${kind} to ${JSON.stringify(ifName)}`, error);
  }
}

/** Removes the pod's interface, under whichever name it is. Gone already is fine. */
export function deleteSublink(pod: RouteConnection, environment: Environment): void {
  for (const name of [temporaryName(environment), environment.ifName]) delByName(pod, name);
}

function delByName(pod: RouteConnection, name: string): void {
  const link = linkByName(pod, name);
  if (link !== undefined) linkDel(pod, link.index);
}

/** The name until the link is in the pod; nothing on the host has it. */
function temporaryName({ containerId, ifName }: Environment): string {
  return `pwtmp${fnv1a(`${containerId}/${ifName}`).toString(16).padStart(8, '0')}`;
}

function failed(what: string, error: unknown): CniError {
  const reason = error instanceof Error ? error.message : String(error);
  return new CniError(CNI_CODE.internal, `failed to ${what}: ${reason}`, '', { cause: error });
}

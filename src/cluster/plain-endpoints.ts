import { tryParseAddrLenient } from '../ipaddr/parse-addr.ts';
import type { Endpoint } from './objects.ts';
import { ADDRESSES_MAX, ENDPOINTS_MAX } from './schema.ts';

/*
 * Endpoints as nearly all are, read in one pass. A cluster has as many of them as all else together, and
 * going through their schema takes ten times as long. What is wrong or rare is left to `schema.ts`,
 * which has the words for it; so what is read here is what would be read there, or nothing.
 */

/** The endpoints of a raw EndpointSlice; undefined where one of them is for the schema to read. */
export function plainEndpoints(slice: unknown): readonly Endpoint[] | undefined {
  const { addressType, endpoints } = slice as { addressType?: unknown; endpoints?: unknown };
  const family = addressType === 'IPv4' ? 4 : addressType === 'IPv6' ? 6 : undefined;
  if (family === undefined || !Array.isArray(endpoints)) return undefined;
  if (endpoints.length > ENDPOINTS_MAX) return undefined;
  const plain: Endpoint[] = [];
  for (const raw of endpoints) {
    const endpoint = plainEndpoint(raw, family);
    if (endpoint === undefined) return undefined;
    plain.push(endpoint);
  }
  return plain;
}

function plainEndpoint(raw: unknown, family: 4 | 6): Endpoint | undefined {
  if (!isMap(raw)) return undefined;
  const { addresses, hostname, nodeName, zone, hints, targetRef, conditions } = raw;
  if (hostname !== undefined || hints !== undefined) return undefined;
  if (!isTextOrAbsent(nodeName) || !isTextOrAbsent(zone)) return undefined;
  if (!Array.isArray(addresses) || !areAddresses(addresses, family)) return undefined;
  const target = targetRef === undefined ? {} : targetRef;
  if (!isMap(target) || !isTextOrAbsent(target.kind) || !isTextOrAbsent(target.name))
    return undefined;
  const state = conditions === undefined ? {} : conditions;
  if (!isMap(state)) return undefined;
  const { ready, serving, terminating } = state;
  if (!isFlagOrAbsent(ready) || !isFlagOrAbsent(serving) || !isFlagOrAbsent(terminating)) {
    return undefined;
  }
  return {
    // A copy, for a list that grew item by item keeps room for more.
    addresses: addresses.slice(),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(target.kind === 'Pod' && target.name !== undefined ? { podName: target.name } : {}),
    conditions: {
      ...(ready == null ? {} : { ready }),
      ...(serving == null ? {} : { serving }),
      ...(terminating == null ? {} : { terminating }),
    },
  };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextOrAbsent(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function isFlagOrAbsent(value: unknown): value is boolean | null | undefined {
  return value === undefined || value === null || typeof value === 'boolean';
}

function areAddresses(values: readonly unknown[], family: 4 | 6): values is readonly string[] {
  if (values.length === 0 || values.length > ADDRESSES_MAX) return false;
  for (const value of values) {
    if (typeof value !== 'string' || tryParseAddrLenient(value)?.family !== family) return false;
  }
  return true;
}

import { decodePayload, type Message, NLM_F_CREATE } from '../message.ts';
import { nfgenmsg } from '../netfilter.ts';
import { flowAttributes } from './attributes.ts';
import { decodeFlow, type Flow } from './flow.ts';
import { messageType } from './message-type.ts';

/** The multicast groups that tell of flows (linux/netfilter/nfnetlink.h). */
export const NFNLGRP_CONNTRACK = { NEW: 1, UPDATE: 2, DESTROY: 3 } as const;

/** A flow that began, changed or was forgotten. One that was forgotten has its last counters. */
export interface FlowEvent {
  readonly action: 'new' | 'update' | 'destroy';
  readonly flow: Flow;
}

/** The event a message of those groups tells of; undefined for any other. Throws DecodeError. */
export function decodeFlowEvent(message: Message): FlowEvent | undefined {
  const action = actionOf(message);
  if (action === undefined) return undefined;
  const payload = { header: nfgenmsg, attributes: flowAttributes };
  return { action, flow: decodeFlow(decodePayload(payload, message.payload).attributes) };
}

function actionOf(message: Message): FlowEvent['action'] | undefined {
  if (message.type === messageType('DELETE')) return 'destroy';
  if (message.type !== messageType('NEW')) return undefined;
  return (message.flags & NLM_F_CREATE) !== 0 ? 'new' : 'update';
}

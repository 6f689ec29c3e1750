import { runAsPlugin } from '../executable.ts';
import { hostLocal } from '../host-local-ipam/plugin.ts';

runAsPlugin(hostLocal);

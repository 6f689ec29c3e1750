import { bridge } from '../bridge/plugin.ts';
import { runAsPlugin } from '../executable.ts';

runAsPlugin(bridge);

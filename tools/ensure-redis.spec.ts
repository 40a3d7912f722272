import type { FoundRedisServer } from '@sconce/redis-server';
import { describe, expect, it } from 'vitest';
import { ensureRedis, isYes, type Machine } from './ensure-redis.ts';

const REDIS: FoundRedisServer = { path: '/usr/bin/redis-server', version: '7.0.15', flavour: 'redis' };
const ENV = 'env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get';

interface Case {
  readonly name: string;
  readonly installed?: boolean;
  readonly programs?: readonly string[];
  readonly isRoot?: boolean;
  readonly isSudoAllowed?: boolean;
  /** The answer on the terminal; there is no terminal without one. */
  readonly answer?: boolean;
  /** Commands (by what they contain) that fail. */
  readonly failing?: string;
  /** Whether apt-get's package gives a usable Redis. */
  readonly useless?: boolean;
  readonly verbose?: boolean;
  readonly code: 0 | 1;
  readonly ran?: readonly string[];
  /** How many questions were asked. */
  readonly asked?: number;
  readonly printed?: readonly RegExp[];
  readonly errors?: readonly RegExp[];
}

const CASES: readonly Case[] = [
  { name: 'a Redis is there: silent', installed: true, code: 0 },
  { name: 'a Redis is there, verbose', installed: true, verbose: true, code: 0, printed: [/7\.0\.15/] },
  {
    name: 'root with apt-get',
    programs: ['apt-get'],
    isRoot: true,
    code: 0,
    ran: [`${ENV} update`, `${ENV} install -y --no-install-recommends redis-server`],
    printed: [/installing/, /installed: \/usr\/bin/],
  },
  {
    name: 'sudo that asks for nothing',
    programs: ['apt-get', 'sudo'],
    isSudoAllowed: true,
    code: 0,
    ran: ['sudo -n true', `sudo -n ${ENV} update`, `sudo -n ${ENV} install -y --no-install-recommends redis-server`],
    printed: [/installing/, /installed/],
  },
  {
    name: 'sudo that wants a password',
    programs: ['apt-get', 'sudo'],
    isSudoAllowed: true,
    failing: 'sudo -n true',
    code: 1,
    ran: ['sudo -n true'],
    errors: [/sudo needs a password/, /brew install/],
  },
  {
    name: 'sudo is allowed and wants a password on a terminal',
    programs: ['apt-get', 'sudo'],
    isSudoAllowed: true,
    answer: false,
    failing: 'sudo -n true',
    code: 0,
    ran: ['sudo -n true', `sudo ${ENV} update`, `sudo ${ENV} install -y --no-install-recommends redis-server`],
    printed: [/installing/, /installed/],
  },
  {
    name: 'the user on the terminal says yes',
    programs: ['apt-get', 'sudo'],
    answer: true,
    code: 0,
    ran: [`sudo ${ENV} update`, `sudo ${ENV} install -y --no-install-recommends redis-server`],
    asked: 1,
    printed: [/installing/, /installed/],
  },
  {
    name: 'the user on the terminal says no',
    programs: ['apt-get', 'sudo'],
    answer: false,
    code: 1,
    asked: 1,
    errors: [/you chose not to/, /apt-get install/],
  },
  {
    name: 'no terminal, and nobody allowed sudo',
    programs: ['apt-get', 'sudo'],
    code: 1,
    errors: [/Set INSTALL_REDIS=1 to let this command install it with sudo/, /apt-get install/],
  },
  { name: 'apt-get without rights', programs: ['apt-get'], code: 1, errors: [/not installed/, /apt-get install/] },
  { name: 'no apt-get', isRoot: true, code: 1, errors: [/not installed/, /dnf install/] },
  {
    name: 'apt-get fails',
    programs: ['apt-get'],
    isRoot: true,
    failing: 'update',
    code: 1,
    ran: [`${ENV} update`],
    printed: [/installing/],
    errors: [/could not install redis-server: E: no network$/, /Install Redis/],
  },
  {
    name: 'the package is too old',
    programs: ['apt-get'],
    isRoot: true,
    useless: true,
    code: 1,
    ran: [`${ENV} update`, `${ENV} install -y --no-install-recommends redis-server`],
    printed: [/installing/],
    errors: [/no usable Redis/, /Install Redis/],
  },
];

describe('ensureRedis', () => {
  it.each(CASES)('$name', async (given) => {
    const ran: string[] = [];
    const printed: string[] = [];
    const errors: string[] = [];
    let asked = 0;
    let installed = given.installed ?? false;
    const machine: Machine = {
      find: async () => (installed ? REDIS : undefined),
      hasProgram: (name) => given.programs?.includes(name) ?? false,
      isRoot: given.isRoot ?? false,
      isSudoAllowed: given.isSudoAllowed ?? false,
      isTerminal: given.answer !== undefined,
      confirm: async (question) => {
        asked += 1;
        expect(question).toMatch(/sudo apt-get install redis-server/);
        return given.answer === true;
      },
      run: async (command, args, timeoutMs) => {
        const line = [command, ...args].join(' ');
        ran.push(line);
        expect(Number.isInteger(timeoutMs) && timeoutMs > 0 && timeoutMs <= 300_000).toBe(true);
        if (given.failing !== undefined && line.includes(given.failing)) throw new Error('W: slow\nE: no network\n');
        if (line.includes(' install ')) installed = given.useless !== true;
      },
      print: (line) => printed.push(line),
      printError: (line) => errors.push(line),
    };
    expect(await ensureRedis(machine, { verbose: given.verbose ?? false })).toBe(given.code);
    expect(ran).toEqual(given.ran ?? []);
    expect(asked).toBe(given.asked ?? 0);
    expect(printed).toEqual((given.printed ?? []).map((pattern) => expect.stringMatching(pattern) as string));
    expect(errors).toEqual((given.errors ?? []).map((pattern) => expect.stringMatching(pattern) as string));
  });
});

it.each([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
  ['', false],
  [undefined, false],
])('CI=%s means %s', (value, expected) => {
  expect(isYes(value)).toBe(expected);
});

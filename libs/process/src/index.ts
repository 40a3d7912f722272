export { exitOnBadSettings } from './exit-on-bad-settings.ts';
export { heldBytesFor, machineLimits, runMemoryFor, threadsFor, type MachineLimits } from './machine-limits.ts';
export { readSettings, type Settings } from './settings/read-settings.ts';
export type { Program, Setting } from './settings/setting.ts';
export { SETTINGS, type SettingName } from './settings/settings.ts';
export { settingsPage } from './settings/settings-page.ts';

/** A worker whose last report is older counts as gone. */
export const REPORT_FRESH_MS = 20_000;
/** How long the reports of a pool are kept: they tell how fast its next workers will be. */
export const REPORTS_TTL_SECONDS = 86_400;
/** The id under which the last worker that stopped leaves its report. Workers that come and go leave one report in all. */
export const LAST_REPORT_ID = 'last';

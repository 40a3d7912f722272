/**
 * Keeps ONNX Runtime from reporting to Microsoft.
 *
 * Source: onnxruntime pull request 27379. Since 1.29 its official builds send usage events from Linux and macOS too, and
 * leave an identifier, a cache and a log (`.ses`, `mat-debug-*.log`) in the temporary folder. This variable, read once
 * when the native library starts, is the full opt-out. It has to be set in the main thread: a worker thread's
 * `process.env` is a copy that native code does not see.
 */
export function disableRuntimeTelemetry(): void {
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
}

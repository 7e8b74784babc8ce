# Registers the daily measurement with the Task Scheduler of Windows, for the user who runs this:
#   powershell -File tick.ps1 -Project C:\src\my-project
# A day is a UTC day, so any hour will do. With --ok-on-pending the task fails only if something is wrong; the output is in
# .vibeship-optimizer\cache\tick.log. A second run on the same day does nothing.
param(
    [Parameter(Mandatory = $true)][string]$Project,
    [string]$At = "07:00"
)
$ErrorActionPreference = "Stop"
$program = (Get-Command vibeship-optimizer).Source
$log = Join-Path $Project ".vibeship-optimizer\cache\tick.log"
$line = "`"`"$program`" autopilot tick --ok-on-pending --format json > `"$log`" 2>&1`""
$action = New-ScheduledTaskAction -Execute "cmd.exe" -Argument "/D /C $line" -WorkingDirectory $Project
$trigger = New-ScheduledTaskTrigger -Daily -At $At
Register-ScheduledTask -TaskName "vibeship-optimizer $(Split-Path $Project -Leaf)" -Action $action -Trigger $trigger -Force

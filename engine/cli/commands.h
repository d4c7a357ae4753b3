/* The commands of sonde. Each is in a file of its name, with the text of its help. */
#ifndef SONDE_CLI_COMMANDS_H
#define SONDE_CLI_COMMANDS_H

#include "engine/cli/cli.h"

extern const char analyze_help[];
int analyze_command(int argc, char **argv, const struct cli *cli);

extern const char watch_help[];
int watch_command(int argc, char **argv, const struct cli *cli);

extern const char config_help[];
int config_command(int argc, char **argv, const struct cli *cli);

extern const char doctor_help[];
int doctor_command(int argc, char **argv, const struct cli *cli);

extern const char incidents_help[];
int incidents_command(int argc, char **argv, const struct cli *cli);

extern const char plugin_help[];
int plugin_command(int argc, char **argv, const struct cli *cli);

extern const char retry_help[];
int retry_command(int argc, char **argv, const struct cli *cli);

extern const char find_help[];
int find_command(int argc, char **argv, const struct cli *cli);

extern const char export_help[];
int export_command(int argc, char **argv, const struct cli *cli);

extern const char show_help[];
int show_command(int argc, char **argv, const struct cli *cli);

extern const char status_help[];
int status_command(int argc, char **argv, const struct cli *cli);

extern const char rescan_help[];
int rescan_command(int argc, char **argv, const struct cli *cli);

extern const char pause_help[];
int pause_command(int argc, char **argv, const struct cli *cli);

extern const char resume_help[];
int resume_command(int argc, char **argv, const struct cli *cli);

extern const char drain_help[];
int drain_command(int argc, char **argv, const struct cli *cli);

extern const char reload_help[];
int reload_command(int argc, char **argv, const struct cli *cli);

extern const char tag_help[];
int tag_command(int argc, char **argv, const struct cli *cli);

extern const char untag_help[];
int untag_command(int argc, char **argv, const struct cli *cli);

extern const char set_help[];
int set_command(int argc, char **argv, const struct cli *cli);

extern const char catalogue_help[];
int catalogue_command(int argc, char **argv, const struct cli *cli);

#endif
